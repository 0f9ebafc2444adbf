#pragma once

#include <sys/resource.h>
#include <sys/types.h>

#include <array>
#include <optional>
#include <string>
#include <vector>

#include "proc/cpu_set.h"
#include "proc/process_ref.h"
#include "sys/fd.h"
#include "sys/result.h"

namespace ffrtmp {

/// What a process sets on itself before it becomes the workload. Each is tried and read back; none is fatal
/// by itself, because the receipt tells what came of it.
enum class Setting { nice, autogroup, batch, ionice, oom_score_adj, affinity, data_limit };
constexpr size_t kSettingCount = 7;

struct SettingOutcome {
  int errnum = 0;  ///< why it was refused; 0 when it was set (or not asked)
  long in_force =
      0;  ///< read back: nice value, raw ioprio, oom_score_adj, number of CPUs, bytes; 1 for autogroup, batch
};

/// Everything about starting a workload, decided beforehand: between clone and exec only plain system calls
/// happen.
struct SpawnPlan {
  std::string program;            ///< resolved path
  std::vector<std::string> argv;  ///< argv[0] as the operator typed it
  std::vector<std::string> environment;
  std::optional<std::string> workdir;

  int cgroup = -1;            ///< v2 leaf to be born in (CLONE_INTO_CGROUP); -1 for none
  int cgroup_procs = -1;      ///< that leaf's open cgroup.procs: the way in where clone3 is refused
  std::vector<int> v1_tasks;  ///< open `tasks` files of v1 leaves, entered before anything else

  int in = -1, out = -1, err = -1;  ///< to become 0, 1, 2; -1 leaves what there is
  bool own_session = false;         ///< setsid: no terminal
  bool own_group = false;           ///< setpgid: keys of the terminal and signals are its own
  int terminal = -1;                ///< the controlling terminal, to be given to the new group; -1 for none
  bool ignore_hangup = false;       ///< SIGHUP ignored, so that closing the terminal leaves it alone

  std::optional<int> nice;
  std::optional<std::string> autogroup;  ///< value for /proc/self/autogroup
  bool batch = false;                    ///< SCHED_BATCH
  std::optional<int> ionice;             ///< raw ioprio value
  std::optional<int> oom_score_adj;
  std::optional<CpuList> affinity;
  std::optional<uint64_t> data_limit;  ///< RLIMIT_DATA, bytes
  /// Settings without which the workload must not start (bit per Setting).
  unsigned required = 0;
};

/// A workload that runs.
struct Spawned {
  ProcessRef process;
  std::array<SettingOutcome, kSettingCount> settings;
  bool born_in_cgroup = false;  ///< false: it moved itself in before exec
};

/// What kept a workload from starting, when that was one of the cgroup steps: another placement may do.
constexpr char kEnteringCgroup[] = "entering the cgroup";

/// Starts the workload. Returns once it has become the command (exec succeeded) or failed, in which case
/// nothing of it is left. The child is ours to wait for. Errors carry the step of the child that failed, as
/// {step, object, errno}, and exit 126/127 for the exec itself. Not thread-safe (blocks signals around the
/// clone).
Result<Spawned> spawn(const SpawnPlan& plan);

/// The same in this very process: sets up and becomes the workload. Returns only on error.
/// `before_exec` (optional) runs after everything was set, with the outcomes.
Error become(const SpawnPlan& plan, const std::array<SettingOutcome, kSettingCount>** outcomes,
             void (*before_exec)(void*), void* context);

/// Finds a command as execvp(3) would, in the PATH of `environment` (default /usr/local/bin:/usr/bin:/bin).
/// Errors: exit 127 not found, 126 found but not executable.
Result<std::string> find_program(const std::string& name, const std::vector<std::string>& environment,
                                 const std::optional<std::string>& workdir);

/// Keeps a v2 cgroup from being empty, and so a scope from being taken down, for as long as the returned
/// descriptor is open in this process: a task of ours born there that sleeps until the descriptor's other end
/// closes, also when we are killed. It shares our memory, so it costs a stack, of which a process has one:
/// not to be called again while an earlier descriptor is open. Errors: clone3 is refused.
Result<Fd> hold_cgroup(int cgroup);

/// A child born in a v2 cgroup that goes on as a copy of this process (the recorder). `cgroup` -1: where we
/// are. Falls back to fork where clone3 is refused. Returns 0 in the child.
Result<pid_t> fork_into(int cgroup);

}  // namespace ffrtmp
