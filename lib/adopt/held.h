#pragma once

#include <vector>

#include "adopt/survey.h"
#include "cgroup/knobs.h"

namespace ffrtmp {

/// The limits that a process is held to where it stands, over all ancestors: what a move out of there would
/// lift. Weights and protections are shares of a contest and go with the place.
std::vector<Limit> held_limits(const Host& host, const std::vector<CgroupLine>& cgroups);

/// Whether the limit goes on once the process is in the leaf: that one is at least as tight, or has nothing
/// to do with the limit's hierarchy.
bool holds(const Leaf& leaf, const Limit& limit);

}  // namespace ffrtmp
