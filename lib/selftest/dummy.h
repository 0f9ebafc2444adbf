#pragma once

#include <string>
#include <vector>

#include "sys/result.h"

namespace ffrtmp {

/// The workload of a self-test: does one thing until a limit stops it, at most for a few seconds and some
/// megabytes, and prints what it came to as one JSON object. Modes:
///   cpu MS            one busy thread for so long: {"cpu_s", "wall_s"}
///   memory BYTES      touches so much: {"touched"}
///   cache FILE BYTES  writes a file through the page cache: {"written"}
///   fork COUNT        starts so many children at once: {"children", "errno"}
///   write FILE MS     writes past the page cache for so long: {"written", "wall_s", "errno"}
///   settings          {"nice", "ionice", "oom_score_adj", "cpus"}
///   sleep             until it is ended
/// Errors: another mode. The exit code is 0 when it got to its end.
Result<int> run_dummy(const std::vector<std::string>& words);

}  // namespace ffrtmp
