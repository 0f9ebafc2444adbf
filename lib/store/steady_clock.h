#pragma once

#include <algorithm>
#include <cstdint>
#include <mutex>

#include "sys/clock.h"

namespace ffrtmp::store {

/// Milliseconds since 1970 that never run backwards and never jump, so that a wall clock set back (or
/// forward) by an hour ends no lease. It starts at the wall clock it is given and follows it slowly, by at
/// most one part in twenty. Thread-safe.
class SteadyClock {
 public:
  /// `wall_ms`: the clock to follow; `floor_ms`: the last moment that the database remembers.
  void start(int64_t wall_ms, int64_t floor_ms) {
    const std::lock_guard lock(mutex_);
    at_ = std::max({at_, floor_ms, wall_ms});
    seen_ = mono();
  }

  int64_t now(int64_t wall_ms) {
    const std::lock_guard lock(mutex_);
    const int64_t passed = std::max<int64_t>(0, mono() - seen_);
    seen_ += passed;
    // What is less than a millisecond's worth is kept: a busy database is asked far more often than every 20.
    credit_ += passed;
    const int64_t most = credit_ / 20, ahead = wall_ms - (at_ + passed);
    credit_ %= 20;
    at_ += passed + std::clamp(ahead, -most, most);
    return told(at_);
  }

  /// Without a fresh reading of the clock that it follows.
  int64_t estimate() {
    const std::lock_guard lock(mutex_);
    return told(at_ + std::max<int64_t>(0, mono() - seen_));
  }

 private:
  /// An estimate may have been ahead of what is told now.
  int64_t told(int64_t moment) { return told_ = std::max(told_, moment); }
  static int64_t mono() { return monotonic_now().count() / 1'000'000; }

  std::mutex mutex_;
  int64_t at_ = 0;
  int64_t seen_ = 0;
  int64_t told_ = 0;
  int64_t credit_ = 0;  ///< milliseconds that have passed and have moved nothing yet
};

inline int64_t wall_ms() { return wall_now().ns / 1'000'000; }

}  // namespace ffrtmp::store
