#pragma once

#include <cstdint>
#include <mutex>
#include <string>
#include <unordered_map>

namespace ffrtmp::net {

/// One token bucket a key, and a count of what the key has in flight. The number of keys held is bounded.
/// Thread-safe.
class RateLimit {
 public:
  /// `per_second` 0: no limit of rate; `most_open` 0: none of concurrency.
  void configure(double per_second, double burst, int64_t most_open);
  /// Milliseconds to wait before the next try; 0: go ahead.
  int64_t take(const std::string& key, int64_t now_ms);
  /// False: too many in flight. A true answer must be followed by `leave`.
  bool enter(const std::string& key);
  void leave(const std::string& key);
  size_t size() const;

 private:
  struct Bucket {
    double tokens = 0;
    int64_t at = 0;
    int64_t open = 0;
  };
  mutable std::mutex mutex_;
  std::unordered_map<std::string, Bucket> buckets_;
  double per_second_ = 0, burst_ = 0;
  int64_t most_open_ = 0;
};

}  // namespace ffrtmp::net
