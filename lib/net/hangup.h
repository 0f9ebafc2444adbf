#pragma once

#include <cstdint>
#include <functional>
#include <mutex>
#include <thread>
#include <unordered_map>

#include "sys/fd.h"
#include "sys/result.h"

namespace ffrtmp::net {

/// Tells when the peer of a socket has hung up (FIN or RST), also behind bytes that nobody has read: a client
/// that leaves TLS in good order sends some. One thread, which sleeps until the kernel has something to say.
/// Thread-safe.
class HangupWatch {
 public:
  HangupWatch() = default;
  HangupWatch(const HangupWatch&) = delete;
  HangupWatch& operator=(const HangupWatch&) = delete;
  ~HangupWatch() { stop(); }

  Status start();
  /// No action begins afterwards.
  void stop();
  /// `action` runs at most once, on the watch's thread: keep it short. Gives a ticket; 0 when the kernel
  /// refuses, and then nobody is told.
  uint64_t add(int fd, std::function<void()> action);
  /// Before `fd` may be closed by anybody.
  void remove(int fd, uint64_t ticket);
  /// Whether the peer has hung up by now.
  static bool gone(int fd);

 private:
  void loop();
  Fd epoll_, bell_;
  std::mutex mutex_;
  std::unordered_map<uint64_t, std::function<void()>> actions_;
  uint64_t next_ = 1;
  std::thread thread_;
};

}  // namespace ffrtmp::net
