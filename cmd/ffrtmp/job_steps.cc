#include <fcntl.h>
#include <unistd.h>

#include "sys/environment.h"
#include "sys/file.h"
#include "sys/text.h"
#include "types/execute.h"
#include "verb.h"

namespace ffrtmp {

/// The workload of a declared job. Not among the verbs: it is started by `ffrtmp job`, inside the limits,
/// with its plan in a file in memory.
Result<int> job_steps_verb() {
  const std::string number = take_variable("FFRTMP_PLAN_FD"), folder = take_variable("FFRTMP_JOB_FOLDER");
  const bool quiet = !take_variable("FFRTMP_JOB_QUIET").empty();
  const bool reason = take_variable("FFRTMP_JOB_REASON") != "no";
  const bool json = !take_variable("FFRTMP_JOB_JSON").empty();
  const auto fd = parse_u64(number);
  if (!fd || *fd > 1'000'000)
    return bad_input("job-steps is started by ffrtmp job only", "", "see ffrtmp job --help");
  constexpr size_t kLargestPlan = 256 << 20;
  ::fcntl(static_cast<int>(*fd), F_SETFD, FD_CLOEXEC);
  // From its start, whoever read it before: a restart hands the same file over again.
  TRY(const std::string text, reread(static_cast<int>(*fd), kLargestPlan));
  TRY(const Json parsed, parse_json(text, "the plan of this job"));
  TRY(const JobPlan plan, plan_from_json(parsed));
  ExecuteOptions options;
  options.folder = folder;
  options.progress_line = !quiet && ::isatty(STDERR_FILENO);
  options.print_reason = reason;
  options.print_text = !json;
  return execute_plan(plan, options);
}

}  // namespace ffrtmp
