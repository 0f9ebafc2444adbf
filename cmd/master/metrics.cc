#include "metrics.h"

#include <cstdio>

namespace ffrtmp::master {

void Metrics::request(const std::string& route, int status, double seconds) {
  const std::lock_guard lock(mutex_);
  Route& one = routes_[route];
  one.by_class[status / 100]++;
  size_t at = 0;
  while (at < kBounds.size() && seconds > kBounds[at]) at++;
  one.buckets[at]++;
  one.sum += seconds;
  one.count++;
}

void Metrics::count(const char* name, int64_t by) {
  const std::lock_guard lock(mutex_);
  counters_[name] += by;
}

std::string Metrics::text() const {
  const std::lock_guard lock(mutex_);
  std::string out = "# TYPE ffrtmp_http_requests counter\n";
  for (const auto& [route, one] : routes_)
    for (const auto& [status, count] : one.by_class)
      out += "ffrtmp_http_requests_total{route=\"" + route + "\",status=\"" + std::to_string(status) +
             "xx\"} " + std::to_string(count) + "\n";
  out += "# TYPE ffrtmp_http_request_seconds histogram\n# UNIT ffrtmp_http_request_seconds seconds\n";
  char number[64];
  for (const auto& [route, one] : routes_) {
    int64_t sum = 0;
    for (size_t i = 0; i <= kBounds.size(); i++) {
      sum += one.buckets[i];
      snprintf(number, sizeof number, "%g", i < kBounds.size() ? kBounds[i] : 0.0);
      out += "ffrtmp_http_request_seconds_bucket{route=\"" + route + "\",le=\"" +
             (i < kBounds.size() ? number : "+Inf") + "\"} " + std::to_string(sum) + "\n";
    }
    snprintf(number, sizeof number, "%.6f", one.sum);
    out += "ffrtmp_http_request_seconds_sum{route=\"" + route + "\"} " + number + "\n";
    out += "ffrtmp_http_request_seconds_count{route=\"" + route + "\"} " + std::to_string(one.count) + "\n";
  }
  for (const auto& [name, value] : counters_)
    out += "# TYPE ffrtmp_" + name + " counter\nffrtmp_" + name + "_total " + std::to_string(value) + "\n";
  return out;
}

}  // namespace ffrtmp::master
