#pragma once

#include <sys/types.h>

#include <optional>
#include <string>
#include <vector>

#include "proc/procfs.h"

namespace ffrtmp {

/// "/proc/PID".
std::string proc_path(pid_t pid);

/// What /proc/PID/stat tells now; nullopt when no process bears the number. Whoever acts on it holds the
/// process first (ProcessRef).
std::optional<ProcStat> stat_of(pid_t pid);

/// All processes that can be seen; a snapshot.
std::vector<pid_t> all_processes();

/// What stat tells of each of them. A process whose first thread has ended shows as a zombie here, and lives:
/// the pidfd tells the two apart, so zombies stay in.
std::vector<ProcStat> process_table();

}  // namespace ffrtmp
