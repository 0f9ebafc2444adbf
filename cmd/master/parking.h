#pragma once

#include <condition_variable>
#include <cstdint>
#include <functional>
#include <map>
#include <mutex>
#include <thread>

namespace ffrtmp::master {

/// Calls functions at a later moment: what bounds a parked request. Sleeps while nothing is parked.
/// Thread-safe.
class Parking {
 public:
  Parking();
  ~Parking();
  Parking(const Parking&) = delete;
  Parking& operator=(const Parking&) = delete;
  /// `action` runs on the parking's thread: keep it short.
  uint64_t at(int64_t monotonic_ms, std::function<void()> action);
  void cancel(uint64_t ticket);
  /// Runs everything now (a drain).
  void flush();
  size_t size() const;

 private:
  void loop();
  mutable std::mutex mutex_;
  std::condition_variable wake_;
  std::map<std::pair<int64_t, uint64_t>, std::function<void()>> due_;
  std::map<uint64_t, int64_t> when_;
  uint64_t next_ = 1;
  bool stopping_ = false;
  std::thread thread_;
};

int64_t monotonic_ms();

}  // namespace ffrtmp::master
