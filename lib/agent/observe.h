#pragma once

#include <optional>
#include <string>

#include "agent/attempt.h"
#include "cgroup/host.h"
#include "jobs/job_store.h"
#include "proc/process_ref.h"

namespace ffrtmp::agent {

/// What is to be seen of an attempt from outside: its folder, the recorder's files, living processes.
struct Sight {
  enum class Kind {
    nothing,   ///< no trace of it
    starting,  ///< its recorder lives, its workload does not yet
    alive,     ///< `wait_for` is to be waited for, then looked again
    ended,     ///< there is a result
  };
  Kind kind = Kind::nothing;
  std::optional<ProcessIdentity> wait_for;
  std::optional<StoredJob> job;  ///< where the recorder's store has it
  Json result = Json::object();
};

/// Looks. A job whose recorder was killed and whose workload has ended gets the result that can still be
/// told.
Sight look(const Host& host, const Attempt& attempt, const std::string& folder);

/// What the workload does now: percent, fps, speed, eta_s, out_time_s, …; absent fields are not known.
Json progress_of(const Host& host, const StoredJob& job);
/// A number that grows while the job advances; -1 where nothing tells.
int64_t mark_of(const Json& progress);

/// Lets go of the recorder's files of an attempt.
void forget_run(const std::string& run_id);

}  // namespace ffrtmp::agent
