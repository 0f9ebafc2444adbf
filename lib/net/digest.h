#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>

namespace ffrtmp::net {

/// 32 raw bytes. Thread-safe.
std::string sha256(std::string_view data);
std::string sha256_hex(std::string_view data);
std::string hmac_sha256_hex(std::string_view key, std::string_view data);
std::string hex(std::string_view bytes);
/// The time it takes does not tell where two texts differ.
bool equal_in_constant_time(std::string_view a, std::string_view b);
/// `bytes` random bytes from the kernel, as lower-case hex.
std::string random_hex(size_t bytes);

/// SHA-256 in pieces. Not thread-safe.
class Sha256 {
 public:
  Sha256();
  ~Sha256();
  Sha256(const Sha256&) = delete;
  Sha256& operator=(const Sha256&) = delete;
  void add(std::string_view data);
  std::string finish_hex();

 private:
  struct State;
  std::unique_ptr<State> state_;
};

}  // namespace ffrtmp::net
