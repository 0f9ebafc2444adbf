#pragma once

#include <string>
#include <vector>

#include "sys/json.h"
#include "sys/result.h"

namespace ffrtmp {

/// Steps that need no program of their own: they turn what others printed into what a job promises. Each
/// reads and writes files named by its arguments.
const std::vector<std::string>& builtin_names();
/// Runs one. Errors say what was wrong with what it read.
Status run_builtin(const std::string& name, const std::vector<std::string>& arguments);

}  // namespace ffrtmp
