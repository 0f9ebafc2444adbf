#pragma once

#include <functional>

#include "cgroup/leaf.h"
#include "cgroup/limit.h"
#include "sys/units.h"

namespace ffrtmp {

/// Sets a memory limit of a cgroup by whatever way it takes (its files, or systemd). UINT64_MAX is none.
using WriteMemory = std::function<Status(LimitKind, Bytes)>;

/// Brings a living cgroup below a memory maximum without a kill: memory.high first, so that it grows no more,
/// then reclaim, and the caller writes the maximum only when this returns without an error. memory.high is
/// back at what it was when this returns. v1 has no memory.high: its limit is refused by the kernel where it
/// cannot reclaim. Errors: what it uses cannot shrink so far (its anonymous memory alone is more, or reclaim
/// did not do in 3 s).
Status make_room(const CgroupDir& memory, Bytes maximum, const WriteMemory& write);

}  // namespace ffrtmp
