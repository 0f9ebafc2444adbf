#pragma once

#include <string>
#include <vector>

#include "sys/result.h"

namespace ffrtmp::net {

/// A private key and a certificate in PEM.
struct KeyPair {
  std::string key, certificate;
};

/// A certificate authority of our own: ECDSA P-256, ten years.
Result<KeyPair> make_ca(const std::string& name);
/// A server's certificate under it: ECDSA P-256, 397 days, for these host names and IP addresses. The CA's
/// certificate follows in `certificate`, so that a client that only knows the pin can find it.
Result<KeyPair> make_server(const KeyPair& ca, const std::vector<std::string>& names);
/// "sha256:HEX" of a certificate's public key (its SubjectPublicKeyInfo): what `--ca-pin` takes.
Result<std::string> public_key_pin(const std::string& certificate_pem);
/// Seconds until the first certificate of a PEM text expires; negative when it has.
Result<int64_t> seconds_left(const std::string& certificate_pem);
/// Whether the certificate is good for all these names.
bool covers(const std::string& certificate_pem, const std::vector<std::string>& names);

/// Whether a PEM text can serve to verify clients: one or more certificates, all of them authorities' (a leaf
/// among them would admit nobody, or one client for ever). Errors: EINVAL with the reason.
Status check_authorities(const std::string& pem);

/// Makes the CA and the server's pair in `dir` (0700; keys 0600) when they are not there, and renews the
/// server's pair when a third of its life is left or a name is missing.
struct OwnTls {
  std::string ca_file, certificate_file, key_file, pin;
  bool made_ca = false;
};
Result<OwnTls> own_tls(const std::string& dir, const std::vector<std::string>& names);

}  // namespace ffrtmp::net
