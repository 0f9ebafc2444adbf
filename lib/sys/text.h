#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace ffrtmp {

/// Without leading and trailing white space.
std::string_view trim(std::string_view text);
/// Split at runs of blanks, tabs and newlines; no empty parts.
std::vector<std::string_view> words(std::string_view text);
/// Split at every `separator`; empty parts are kept; "" gives one empty part.
std::vector<std::string_view> split(std::string_view text, char separator);
/// The lines of a text without their newlines; no empty last line.
std::vector<std::string_view> lines(std::string_view text);

// The parts point into the text: a temporary would be gone before they are read.
std::vector<std::string_view> words(std::string&& text) = delete;
std::vector<std::string_view> split(std::string&& text, char separator) = delete;
std::vector<std::string_view> lines(std::string&& text) = delete;

/// A whole unsigned decimal number: digits only, no sign, no blanks, no overflow.
std::optional<uint64_t> parse_u64(std::string_view text);
/// A whole decimal number with an optional leading '-' or '+'.
std::optional<int64_t> parse_i64(std::string_view text);

/// The text with control characters and invalid bytes as \xNN, so that it is safe on a terminal and on one
/// line.
std::string printable(std::string_view text);
/// One argument quoted for a POSIX shell: as it is when it needs nothing, else in single quotes.
std::string shell_quote(std::string_view argument);
/// A whole command line quoted for a shell.
std::string shell_quote(const std::vector<std::string>& argv);
std::string join(const std::vector<std::string>& parts, std::string_view separator);

/// The entry nearest to `word` by edit distance, when near enough to be a typing error; for "did you mean".
std::optional<std::string> nearest(std::string_view word, const std::vector<std::string>& among);

}  // namespace ffrtmp
