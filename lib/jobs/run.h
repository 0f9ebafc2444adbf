#pragma once

#include "jobs/launch.h"
#include "jobs/result.h"

namespace ffrtmp {

/// Who wants to hear about a run: the command line prints, the agent reports. Called in the process that
/// waits for the job (with Mode::detached that is the recorder, still connected to the caller's stdout and
/// stderr in started()).
class RunListener {
 public:
  virtual ~RunListener() = default;
  /// The workload runs inside its limits (or, with Mode::exec, is about to).
  virtual void started(const Record& record) = 0;
  /// Whether ended() reads its `result`; otherwise that may be null where nobody else needed it either.
  virtual bool wants_result() const = 0;
  /// It ended, or was let go of.
  virtual void ended(const Record& record, const Ending& ending, const Verdict& verdict,
                     const Json& result) = 0;
};

/// Runs a job as asked and returns what the command should exit with. Errors: nothing was started.
/// Mode::exec returns only on error.
Result<int> run_job(const RunRequest& request, RunListener& listener);

}  // namespace ffrtmp
