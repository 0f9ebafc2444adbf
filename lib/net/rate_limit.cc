#include "net/rate_limit.h"

#include <algorithm>
#include <cmath>

namespace ffrtmp::net {

namespace {
constexpr size_t kKeys = 20'000;
}

void RateLimit::configure(double per_second, double burst, int64_t most_open) {
  const std::lock_guard lock(mutex_);
  per_second_ = per_second;
  burst_ = std::max(1.0, burst);
  most_open_ = most_open;
}

int64_t RateLimit::take(const std::string& key, int64_t now_ms) {
  const std::lock_guard lock(mutex_);
  if (per_second_ <= 0) return 0;
  if (buckets_.size() >= kKeys)  // full buckets carry no memory of anything
    std::erase_if(buckets_, [&](const auto& entry) {
      return entry.second.open == 0 &&
             now_ms - entry.second.at > static_cast<int64_t>(burst_ / per_second_ * 1000);
    });
  auto [it, fresh] = buckets_.try_emplace(key);
  Bucket& bucket = it->second;
  if (fresh || bucket.at == 0) {
    bucket.tokens = burst_;
  } else {
    bucket.tokens =
        std::min(burst_, bucket.tokens + static_cast<double>(now_ms - bucket.at) / 1000 * per_second_);
  }
  bucket.at = now_ms;
  if (bucket.tokens >= 1) {
    bucket.tokens -= 1;
    return 0;
  }
  return std::max<int64_t>(1, static_cast<int64_t>(std::ceil((1 - bucket.tokens) / per_second_ * 1000)));
}

bool RateLimit::enter(const std::string& key) {
  const std::lock_guard lock(mutex_);
  Bucket& bucket = buckets_[key];
  if (most_open_ > 0 && bucket.open >= most_open_) return false;
  bucket.open++;
  return true;
}

void RateLimit::leave(const std::string& key) {
  const std::lock_guard lock(mutex_);
  const auto found = buckets_.find(key);
  if (found == buckets_.end()) return;
  if (--found->second.open <= 0 && found->second.at == 0) buckets_.erase(found);
}

size_t RateLimit::size() const {
  const std::lock_guard lock(mutex_);
  return buckets_.size();
}

}  // namespace ffrtmp::net
