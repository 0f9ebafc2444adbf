#pragma once

#include <optional>

#include "cgroup/govern.h"
#include "cgroup/meters.h"
#include "jobs/job_store.h"
#include "jobs/record.h"
#include "jobs/run_request.h"
#include "proc/spawn.h"
#include "proc/terminal.h"

namespace ffrtmp {

/// A job whose workload runs, with everything that is needed to wait for it.
struct Launched {
  Record record;
  std::optional<JobFolder> folder;  ///< none where no state can be kept
  Leaf leaf;                        ///< without folders where there is no cgroup
  std::optional<ProcessRef> workload;
  std::optional<OomWatch> oom;
  Fd scope_hold;  ///< open: the systemd scope stays until the last counters are read
  Fd log;         ///< our own descriptor of a log that we hold; for capping
  Terminal terminal;
  Duration started{};  ///< monotonic
  /// How to start it again, where its rule may ask for that; the descriptors are those that the plan names.
  std::optional<SpawnPlan> again;
  Receipt first;  ///< what it was started with, if it may be started again
  std::vector<Fd> held;
};

/// Places, limits, records and starts a workload: the whole way from a request to a running job. On error
/// nothing of the job is left. `first` is a base that is open already (the recorder's); others follow if it
/// will not do. With Mode::exec this process becomes the workload and the call returns only on error;
/// `about_to_exec` runs just before, with the final record.
Result<Launched> launch(const RunRequest& request, const Host& host, const JobStore* store,
                        std::optional<Base> first, void (*about_to_exec)(const Record&, void*),
                        void* context);

/// Starts the workload of a job once more, in its old place with its old limits, after it has ended.
Status relaunch(Launched& job);

}  // namespace ffrtmp
