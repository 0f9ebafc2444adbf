#pragma once

#include <sys/resource.h>

#include <optional>
#include <string>
#include <vector>

#include "cgroup/meters.h"
#include "jobs/media.h"
#include "jobs/record.h"

namespace ffrtmp {

enum class Outcome { exited, signaled, oom_killed, timed_out, detached, lost };
std::string_view outcome_name(Outcome outcome);

/// What was seen of a job's end; the evidence from which the verdict is made.
struct Ending {
  std::optional<int> wait_status;  ///< of the workload's main process
  bool timed_out = false;          ///< our --timeout ended it
  bool operator_stopped = false;   ///< `ffrtmp stop` asked for it
  std::optional<int> detached_by;  ///< the signal on which the wrapper let go
  bool seen = false;               ///< an adopted process was seen to end, whether or not the kernel told how
  std::optional<std::string> released;  ///< ffrtmp detach: what came of putting the job back
  WallTime ended_at;
  Duration duration{};
  Usage usage;
  OomWatch::Verdict oom;
  std::optional<MediaProgress> media;
  std::vector<std::string> log_tail;
  Json report;               ///< a declared job's own account; null for none
  bool stalled = false;      ///< it was stopped because its media time stood still
  unsigned stalls = 0;       ///< how often that was seen
  uint64_t left_behind = 0;  ///< processes of the job that still run
};

/// Why it ended, from evidence.
struct Verdict {
  Outcome outcome = Outcome::lost;
  std::optional<int> exit_code;
  std::optional<int> signal;
  bool core_dumped = false;
  std::string reason;  ///< one sentence
  std::string killer;  ///< "own limit", "parent limit", "host", "operator", "unknown", or ""
};
Verdict judge(const Record& record, const Ending& ending);

/// The code that ffrtmp exits with for a verdict: the workload's own, 128 + signal, 124.
int exit_code_of(const Verdict& verdict);

/// result.json ("schema": 1). The command is redacted: a result travels.
Json make_result(const Record& record, const Ending& ending, const Verdict& verdict);
/// The result of a job whose end nobody saw.
Json lost_result(const Record& record);
/// The code that a stored result stands for (ffrtmp wait).
int exit_code_of_result(const Json& result);

}  // namespace ffrtmp
