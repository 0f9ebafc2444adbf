#pragma once

#include <optional>
#include <set>
#include <string>
#include <vector>

#include "adopt/apply.h"
#include "adopt/plan.h"
#include "adopt/restore.h"
#include "cgroup/meters.h"
#include "jobs/job_store.h"

namespace ffrtmp {

/// Everything an operator said to `ffrtmp attach` about one process.
struct AdoptRequest {
  pid_t pid = 0;
  std::optional<ProcessIdentity> only;  ///< refused (ESRCH) when another process bears the PID by now
  std::string job_id;
  std::string rule;  ///< of ffrtmp watch, or ""
  PlanRequest plan;
  ChangeRequest change;  ///< its limits are the plan's
};

/// A process that is under limits as a job, with everything that is needed to wait for it.
struct AdoptedJob {
  Record record;
  JobFolder folder;
  Leaf leaf;
  ProcessRef process;
  OomWatch oom;
  Fd scope_hold;  ///< open: the systemd scope stays until the last counters are read
  Duration started{};
};

/// The living job in whose tree the process is (the first of `lineage`, see lineage_of). Its cgroup is not
/// looked at.
std::optional<std::string> job_of(const JobStore& store, const std::vector<ProcStat>& lineage);

/// Surveys and plans, and changes nothing. Errors: the process is not to be adopted, or is governed already
/// (by the named job).
Result<std::pair<Survey, Plan>> plan_adoption(const Host& host, const JobStore& store,
                                              const AdoptRequest& request);

/// Adopts one process. On an error everything that was done is put back and the job is forgotten; the error
/// says what could not be.
Result<AdoptedJob> adopt(const Host& host, const JobStore& store, const AdoptRequest& request);

/// A job that lives, to wait for it again. Errors: it has ended, or somebody waits for it already.
Result<AdoptedJob> readopt(const Host& host, const JobStore& store, const std::string& job_id);

/// Puts a job back as it was and ends it as a job; the process goes on.
/// Errors: not an adopted job; others have changed something meanwhile (unless `force`): nothing is done
/// then.
Result<RestoreReport> release(const Host& host, const JobStore& store, const std::string& job_id, bool force);

/// Changes limits of a living job, of `run` or adopted, and returns its record with the new receipt. On an
/// error they are as they were.
Result<Record> change_job(const Host& host, const JobStore& store, const std::string& job_id,
                          const ChangeRequest& request, const PlanRequest& plan);

/// Gives the processes of a job that was started again what `ffrtmp set` had given those before them: nice,
/// affinity and the like, which no cgroup keeps. `first` is the receipt of its first start. Takes the new
/// receipt into `record`. Errors: as change_job.
Status change_again(const Host& host, const JobStore& store, const Receipt& first, Record& record);

/// Freezes or wakes a living job. Errors: it has no freezer.
Status pause_job(const Host& host, const JobStore& store, const std::string& job_id, bool paused);
/// Wakes it if it is paused: before anything that it would sleep through.
void wake_job(const Host& host, const StoredJob& job);

/// After the end of an adopted job: puts back what outlives its processes (properties of its unit, its leaf),
/// where nobody has changed it since.
void clear_away(const Host& host, const JobFolder& folder);

}  // namespace ffrtmp
