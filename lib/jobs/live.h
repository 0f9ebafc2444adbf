#pragma once

#include "cgroup/meters.h"
#include "jobs/job_store.h"

namespace ffrtmp {

/// The job's processes now: its cgroup's, else its session's or group's.
std::vector<pid_t> processes_of(const Leaf& leaf, pid_t main);
/// What a job uses now: from its cgroup, else from /proc of its main process. Empty for jobs that have ended.
Usage live_usage(const Host& host, const StoredJob& job);
/// Since its start, or for how long it ran.
Duration age_of(const StoredJob& job);
/// Writes the result of a job whose observer is gone and whose workload has just ended, and clears its cgroup
/// away. `wait_status` where the kernel told it.
Status settle_unobserved(const Host& host, const StoredJob& job, std::optional<int> wait_status);

}  // namespace ffrtmp
