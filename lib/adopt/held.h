#pragma once

#include <vector>

#include "adopt/survey.h"
#include "cgroup/knobs.h"

namespace ffrtmp {

/// The limits that a process is held to where it stands, over all ancestors: what a move out of there would
/// lift. Weights and protections are shares of a contest and go with the place.
std::vector<Limit> held_limits(const Host& host, const std::vector<CgroupLine>& cgroups);

/// Whether a leaf holds its processes at least as tightly.
bool holds(const Leaf& leaf, const Limit& limit);

}  // namespace ffrtmp
