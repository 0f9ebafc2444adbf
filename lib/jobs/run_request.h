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
};

/// What a job's own log may take up when nothing else is said: it lies in memory (/run is a tmpfs).
constexpr uint64_t kDefaultLogCap = 4ull << 20;

}  // namespace ffrtmp
