#pragma once

#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "sys/result.h"

namespace ffrtmp {

enum class Level { debug, info, warning, error };
using Fields = std::vector<std::pair<std::string, std::string>>;

/// Which level is the least that is told, and whether as JSON. Thread-safe.
void set_log(Level least, bool json);
/// What an operator may say: a level's name, and text or json.
Status check_log_words(const std::string& level, const std::string& format);
/// The one of that name; info for another.
Level level_of(const std::string& name);
/// Whether a line of this level would be written: to be asked before one that costs something to make.
bool logged(Level level);
bool log_as_json();

/// An entry as one line of JSON.
std::string log_json(Level level, std::string_view message, const Fields& fields);
/// An entry for people: "info message key=value". Escaped, with secrets in values hidden, without a time.
std::string log_text(Level level, std::string_view message, const Fields& fields);

}  // namespace ffrtmp
