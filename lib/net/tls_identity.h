#pragma once

#include <gnutls/abstract.h>

#include <mutex>
#include <string>
#include <vector>

#include "sys/result.h"

namespace ffrtmp::net {

/// The server's certificate chain and key, exchangeable while it serves. Old ones are kept for handshakes
/// that hold them: a rotation is rare and small. Thread-safe.
class TlsIdentity {
 public:
  ~TlsIdentity();
  Status load(const std::string& certificate_pem, const std::string& key_pem);
  void current(gnutls_pcert_st** chain, unsigned* length, gnutls_privkey_t* key);

 private:
  struct Pair {
    std::vector<gnutls_pcert_st> chain;
    gnutls_privkey_t key = nullptr;
  };
  std::mutex mutex_;
  std::vector<Pair> pairs_;
};

}  // namespace ffrtmp::net
