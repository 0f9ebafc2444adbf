#pragma once

#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace ffrtmp::master {

enum class Level { debug, info, warning, error };
using Fields = std::vector<std::pair<const char*, std::string>>;

/// "text" or "json", one line an entry on standard error; under systemd with the journal's priority prefix.
/// Values are escaped, URLs redacted. Thread-safe.
void set_log(Level least, bool json);
Level level_of(const std::string& name);
void log(Level level, std::string_view message, const Fields& fields = {});

}  // namespace ffrtmp::master
