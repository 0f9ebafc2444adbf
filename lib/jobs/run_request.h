#pragma once

#include <optional>
#include <set>
#include <string>
#include <vector>

#include "cgroup/limit.h"
#include "cgroup/placement.h"
#include "sys/units.h"

namespace ffrtmp {

/// Where a workload's stdout and stderr go.
struct LogTarget {
  enum class Kind { inherit, file, journal, null, job_folder };
  Kind kind = Kind::inherit;
  std::string path;  ///< for file
};

/// When a live job is started again, by whoever waits for it. Never after a stop, a time limit, or when its
/// program could not be started at all.
struct RestartRule {
  enum class When { no, on_failure, always };
  When when = When::no;
  Duration backoff = std::chrono::seconds(1);  ///< doubled with each restart up to `longest`
  Duration longest = std::chrono::seconds(60);
  unsigned most = 0;  ///< restarts; 0 is no bound
  std::optional<Duration>
      stall;              ///< media time that does not advance for so long is a stall; needs a progress file
  bool on_stall = false;  ///< a stalled job is stopped and started again; otherwise it is only flagged
};

/// What makes a workload a declared job: `ffrtmp job-steps` runs its plan.
struct DeclaredJob {
  std::string type;
  std::string plan;  ///< handed to the workload in a file in memory (FFRTMP_PLAN_FD)
  RestartRule restart;
  std::optional<double> media_s;  ///< seconds of media that it makes, where known
};

/// Everything an operator said to `ffrtmp run`: the plan from which a job is made. No defaults are hidden
/// elsewhere.
struct RunRequest {
  enum class Mode { foreground, detached, exec };
  Mode mode = Mode::foreground;
  std::vector<std::string> argv;
  std::vector<std::string> environment;  ///< complete: NAME=VALUE
  std::optional<std::string> workdir;
  std::string job_id;
  bool keep = false;  ///< keep the job's folder after its end
  std::vector<Limit> limits;
  std::set<LimitKind> required;
  PlacementRequest placement;
  bool thread_fit = true;
  bool progress = false;
  bool forward_signals = false;
  std::optional<Duration> timeout;
  LogTarget log;
  std::optional<uint64_t> log_cap;  ///< bytes
  std::string result_file;          ///< empty: none
  std::optional<DeclaredJob> job;   ///< none for a plain command
};

/// What a job's own log may take up when nothing else is said: it lies in memory (/run is a tmpfs).
constexpr uint64_t kDefaultLogCap = 4ull << 20;

}  // namespace ffrtmp
