#include "queue/order.h"

#include <algorithm>

namespace ffrtmp::queue {

int base_level(const std::string& queue, const std::string& priority) {
  const int band = queue == "live" ? 2 : queue == "batch" ? 0 : 1;
  const int step = priority == "high" ? 2 : priority == "low" ? 0 : 1;
  return band * 3 + step;
}

int level(const ClassView& view, int64_t now) {
  const int64_t neglected = now - std::max(view.head_ready_at, view.last_grant);
  const int64_t aged = std::clamp<int64_t>(neglected / kAgeStepMs, 0, 8);
  return static_cast<int>(std::min<int64_t>(8, base_level(view.queue, view.priority) + aged));
}

bool before(const ClassView& a, const Share& share_a, const ClassView& b, const Share& share_b, int64_t now) {
  const int level_a = level(a, now), level_b = level(b, now);
  if (level_a != level_b) return level_a > level_b;
  if (a.tenant != b.tenant) {
    // running / weight, compared without a division
    const int64_t load_a = share_a.running * std::max<int64_t>(1, share_b.weight);
    const int64_t load_b = share_b.running * std::max<int64_t>(1, share_a.weight);
    if (load_a != load_b) return load_a < load_b;
  }
  if (a.head_ready_at != b.head_ready_at) return a.head_ready_at < b.head_ready_at;
  return a.id < b.id;
}

}  // namespace ffrtmp::queue
