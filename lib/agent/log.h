#pragma once

#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace ffrtmp::agent {

enum class Level { debug, info, warning, error };
using Fields = std::vector<std::pair<std::string, std::string>>;

/// Which level is the least that is told, and whether as JSON. Call before other threads start.
void set_log(Level least, bool json);
Level level_of(const std::string& name);

/// One line on stderr, or where stderr is the journal an entry with fields of its own (job → FFRTMP_JOB, …),
/// so that `journalctl FFRTMP_JOB=j-7` finds a job. Secrets in URLs are hidden. Thread-safe.
void log(Level level, std::string_view message, const Fields& fields = {});

}  // namespace ffrtmp::agent
