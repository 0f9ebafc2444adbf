#pragma once

#include "cgroup/host.h"
#include "jobs/job_store.h"
#include "sys/units.h"
#include "why/report.h"

namespace ffrtmp {

/// Why a job ended as it did, or what holds it back now; a running one is watched for `window`. Only reads.
/// Errors: a job that ended while it was watched, and whose result is not there yet.
Result<WhyReport> why(const Host& host, const JobStore& store, const StoredJob& job, Duration window);

}  // namespace ffrtmp
