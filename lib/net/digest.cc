#include "net/digest.h"

#include <gnutls/crypto.h>
#include <gnutls/gnutls.h>
#include <sys/random.h>

namespace ffrtmp::net {

std::string sha256(std::string_view data) {
  std::string out(32, '\0');
  gnutls_hash_fast(GNUTLS_DIG_SHA256, data.data(), data.size(), out.data());
  return out;
}

std::string hex(std::string_view bytes) {
  constexpr char kDigits[] = "0123456789abcdef";
  std::string out;
  for (const char c : bytes) {
    const auto byte = static_cast<unsigned char>(c);
    out += kDigits[byte >> 4];
    out += kDigits[byte & 15];
  }
  return out;
}

std::string sha256_hex(std::string_view data) { return hex(sha256(data)); }

std::string hmac_sha256_hex(std::string_view key, std::string_view data) {
  std::string out(32, '\0');
  gnutls_hmac_fast(GNUTLS_MAC_SHA256, key.data(), key.size(), data.data(), data.size(), out.data());
  return hex(out);
}

bool equal_in_constant_time(std::string_view a, std::string_view b) {
  return a.size() == b.size() && gnutls_memcmp(a.data(), b.data(), a.size()) == 0;
}

std::string random_hex(size_t bytes) {
  std::string raw(bytes, '\0');
  size_t at = 0;
  while (at < bytes) {
    const ssize_t got = ::getrandom(raw.data() + at, bytes - at, 0);
    if (got > 0) at += static_cast<size_t>(got);
  }
  return hex(raw);
}

struct Sha256::State {
  gnutls_hash_hd_t handle = nullptr;
};

Sha256::Sha256() : state_(std::make_unique<State>()) { gnutls_hash_init(&state_->handle, GNUTLS_DIG_SHA256); }
Sha256::~Sha256() {
  if (state_->handle != nullptr) gnutls_hash_deinit(state_->handle, nullptr);
}
void Sha256::add(std::string_view data) { gnutls_hash(state_->handle, data.data(), data.size()); }
std::string Sha256::finish_hex() {
  std::string out(32, '\0');
  gnutls_hash_deinit(state_->handle, out.data());
  state_->handle = nullptr;
  return hex(out);
}

}  // namespace ffrtmp::net
