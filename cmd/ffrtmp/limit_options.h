#pragma once

#include <set>
#include <vector>

#include "cgroup/limit.h"
#include "cgroup/placement.h"
#include "verb.h"

namespace ffrtmp {

/// A verb's options: those about limits and places, which are the same everywhere, between its own.
std::vector<OptionSpec> with_limit_options(std::vector<OptionSpec> before,
                                           const std::vector<OptionSpec>& after);

/// The profile's limits (--profile) with the flags' own over them, in the order of LimitKind.
Result<std::vector<Limit>> read_limits(const Arguments& arguments);
/// --require: kinds of limits that must be enforced; each has to be among `limits`.
Result<std::set<LimitKind>> read_required(const Arguments& arguments, const std::vector<Limit>& limits);
/// --placement and --cgroup-parent. The controllers are for the caller to fill in.
Result<PlacementRequest> read_placement(const Arguments& arguments);

}  // namespace ffrtmp
