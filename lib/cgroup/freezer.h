#pragma once

#include "cgroup/leaf.h"

namespace ffrtmp {

/// Stops or wakes every process in the leaf, without a signal that they could notice (v2 cgroup.freeze, v1
/// freezer.state). Returns when the kernel says that it is so, or after `patience` with ETIMEDOUT: a process
/// in uninterruptible sleep is frozen when it wakes. ENOENT: the leaf has no freezer. Source:
/// Documentation/admin-guide/cgroup-v2.rst, cgroup-v1/freezer-subsystem.rst.
Status freeze(const Leaf& leaf, bool frozen, Duration patience = std::chrono::seconds(5));

/// Whether the kernel says that everything in it is frozen; false where it does not tell.
bool is_frozen(const Leaf& leaf);

}  // namespace ffrtmp
