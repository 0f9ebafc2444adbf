#pragma once

#include <optional>
#include <string>
#include <vector>

#include "proc/procfs.h"
#include "watch/match.h"

namespace ffrtmp {

/// The file name of a process's executable; "" for kernel threads, zombies, what is gone and what we may not
/// see. One readlink(2).
std::string executable_of(pid_t pid);

/// The process of that lineage (see lineage_of), as rules look at it.
Candidate look_at(const std::vector<ProcStat>& lineage);

/// Whether it is ffrtmp's already, whatever records say: it stands in the cgroup of a job, or descends from
/// an ffrtmp (of another user, or with another state folder).
bool belongs_to_ffrtmp(const std::vector<ProcStat>& lineage, const Candidate& candidate);

/// The time since boot, suspended or not: what start times of processes count from.
Duration since_boot();

}  // namespace ffrtmp
