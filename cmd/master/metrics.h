#pragma once

#include <array>
#include <atomic>
#include <cstdint>
#include <map>
#include <mutex>
#include <string>

namespace ffrtmp::master {

/// Counters for /metrics. Labels are route patterns and status classes, never ids. Thread-safe.
class Metrics {
 public:
  void request(const std::string& route, int status, double seconds);
  void count(const char* name, int64_t by = 1);
  /// OpenMetrics text of all of it, without the final "# EOF".
  std::string text() const;

 private:
  static constexpr std::array<double, 9> kBounds = {0.001, 0.0025, 0.005, 0.01, 0.025, 0.1, 0.5, 2.5, 10};
  struct Route {
    std::map<int, int64_t> by_class;
    std::array<int64_t, kBounds.size() + 1> buckets{};
    double sum = 0;
    int64_t count = 0;
  };
  mutable std::mutex mutex_;
  std::map<std::string, Route> routes_;
  std::map<std::string, int64_t> counters_;
};

}  // namespace ffrtmp::master
