#pragma once

#include "cgroup/host.h"
#include "jobs/job_store.h"
#include "sys/units.h"
#include "why/observation.h"

namespace ffrtmp {

/// Watches a running job for so long: its counters before and after, and its threads in between. Only reads.
/// Errors: ESRCH, it has no living process (any more).
Result<Observation> watch_job(const Host& host, const StoredJob& job, Duration window);

}  // namespace ffrtmp
