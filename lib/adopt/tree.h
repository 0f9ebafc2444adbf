#pragma once

#include <functional>
#include <vector>

#include "proc/process_ref.h"
#include "proc/procfs.h"

namespace ffrtmp {

/// A process of a tree, held by its pidfd.
struct TreeProcess {
  ProcessRef process;
  ProcStat stat;
};

/// Whether a process is to be left out, with all below it (a job of its own, say).
using Skip = std::function<bool(pid_t)>;

/// The process, all that descends from it, and orphans that it left behind (PID 1's children in the session
/// or process group that it leads), parents first. A snapshot: whoever acts on it walks again until nothing
/// is new. Each was held before it was looked at, so that its parent is its own and not that of a stranger
/// with its PID. Errors: the first process has ended.
Result<std::vector<TreeProcess>> process_tree(const ProcessIdentity& root, const Skip& skip = nullptr);

/// The process and those above it, nearest first, without PID 1; empty when it is gone. A few reads, whatever
/// else runs on the host.
std::vector<ProcStat> lineage_of(pid_t pid);

/// Which processes of a host-wide table belong to the tree of `root`, parents first; pure. Each table entry
/// appears at most once, whatever its ppid says.
std::vector<pid_t> tree_of(const std::vector<ProcStat>& table, pid_t root);

}  // namespace ffrtmp
