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
/// Whether a line of this level would be written: to be asked before one that costs something to make.
bool logged(Level level);
void log(Level level, std::string_view message, const Fields& fields = {});

}  // namespace ffrtmp::master
