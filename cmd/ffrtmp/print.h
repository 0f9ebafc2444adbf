#pragma once

#include <string>
#include <vector>

#include "jobs/record.h"
#include "jobs/result.h"

namespace ffrtmp {

/// Writes the whole text to standard output; 0, or an error's exit code when it cannot be written.
int print_out(const std::string& text);
void print_err(const std::string& text);

/// Columns aligned by their widest cell (two blanks between); the first row is the heading. Control
/// characters in cells are escaped.
std::string table(const std::vector<std::vector<std::string>>& rows);

/// Whether colour belongs on this descriptor: a terminal, and NO_COLOR not set.
bool colour_on(int fd);

/// The receipt as an operator reads it: where the job is, then a line for each limit.
std::string receipt_text(const Record& record, bool colour);
/// One or two lines about how it ended and what it used.
std::string ending_text(const Record& record, const Ending& ending, const Verdict& verdict);
/// "12.4 s of CPU (2.1 s throttled), memory peak 312M, read 1.2M, wrote 8M".
std::string usage_text(const Usage& usage);

}  // namespace ffrtmp
