#pragma once

#include <sys/types.h>

#include <vector>

namespace ffrtmp {

/// The processes whose session or process group bears this PID: what a workload that leads one has started,
/// where no cgroup tells. A snapshot; a PID cannot be given to a stranger while a group or session of that
/// number has members.
std::vector<pid_t> family_of(pid_t leader);

}  // namespace ffrtmp
