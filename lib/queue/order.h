#pragma once

#include <cstdint>
#include <string>
#include <vector>

namespace ffrtmp::queue {

/// Jobs that want the same of a node, from the same tenant, in the same queue and priority, form a class:
/// matching is done once a class, and within a class it is first come, first served. What nobody online can
/// run is a class that is never picked, and delays nobody.
struct ClassView {
  int64_t id = 0;
  std::string tenant, queue, priority;
  int64_t head_ready_at = 0;  ///< when its first job became ready
  int64_t last_grant = 0;     ///< when the class last got a node; 0 never
};

/// How heavily a tenant is served now.
struct Share {
  int64_t running = 0;
  int64_t weight = 1;
};

/// Ageing: a class that was passed over for this long counts as one level higher. Twelve minutes take
/// batch/low up to default/medium, and twenty-four up to everything.
constexpr int64_t kAgeStepMs = 180'000;

/// 0 (batch, low) … 8 (live, high); live > default > batch, then high > medium > low.
int base_level(const std::string& queue, const std::string& priority);
/// With ageing, capped at 8. Neglect is counted from the later of the head's readiness and the class's last
/// grant: a long backlog that is being served does not age, and so cannot push others out.
int level(const ClassView& view, int64_t now);

/// Whether `a` is to be served before `b`: higher level, then the tenant with less in flight for its weight,
/// then whoever has waited longer.
bool before(const ClassView& a, const Share& share_a, const ClassView& b, const Share& share_b, int64_t now);

}  // namespace ffrtmp::queue
