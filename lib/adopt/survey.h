#pragma once

#include <set>
#include <string>
#include <vector>

#include "adopt/place.h"
#include "adopt/tree.h"
#include "cgroup/host.h"
#include "cgroup/leaf.h"
#include "proc/process_ref.h"
#include "proc/procfs.h"

namespace ffrtmp {

/// Who a process is, where it stands and whose that place is: read once, before anything is touched.
struct Survey {
  ProcessRef process;
  ProcStat stat;
  uid_t uid = 0;
  std::string user;  ///< its name, or the number
  std::vector<std::string> command;
  std::string workdir;
  std::vector<CgroupLine> cgroups;  ///< of a living thread of it
  Place place;                      ///< in the hierarchy that tells most (systemd's, where there is one)
  std::vector<pid_t> tree;          ///< it and its descendants
  uint64_t threads = 0;             ///< of the whole tree
  uint64_t memory_bytes = 0;        ///< anonymous memory of the whole tree
  size_t strangers = 0;             ///< processes of its place that are not of the tree
  bool main_process = false;        ///< the one by which its unit's manager knows the unit
  bool split_threads = false;       ///< its threads stand in different cgroups
  std::string container;            ///< why it seems to be in a container, or ""
};

/// Looks at a process. Errors say in one line why it is not to be adopted: it does not exist, is a zombie, a
/// kernel thread, PID 1, ourselves or above us, another user's, or stands in a frozen or threaded cgroup.
/// `controllers`: those that limits are asked for (on v1 each has a place of its own).
Result<Survey> survey(const Host& host, pid_t pid, const std::set<Controller>& controllers);

/// Leaves out of a walk what stands in a job of ffrtmp other than `own`.
Skip skip_other_jobs(std::string own = "");

/// Why a process that stands there seems to be in a container, or "". PID and cgroup namespaces of its own
/// are what containers have and plain services have not (mount namespaces are no sign: PrivateTmp= makes
/// one).
std::string container_sign(pid_t pid, const std::vector<CgroupLine>& cgroups);

/// Where a process stands: of its first thread that lives. Empty when it is gone.
std::vector<CgroupLine> cgroups_of(const ProcessRef& process);
/// The line of a hierarchy; nullptr where there is none.
const CgroupLine* line_of(const std::vector<CgroupLine>& lines, const Hierarchy& hierarchy);

}  // namespace ffrtmp
