#pragma once

#include <string>
#include <vector>

#include "sys/result.h"

namespace ffrtmp::agent {

/// The real path of an existing input that a job names, when it lies below one of `roots`: resolved by the
/// kernel (openat2, RESOLVE_BENEATH), so that neither ".." nor a symbolic link leads out. EACCES: it lies
/// outside.
Result<std::string> inside_roots(const std::string& path, const std::vector<std::string>& roots);

/// The same for an output: its folder must be there; it itself need not.
Result<std::string> output_inside_roots(const std::string& path, const std::vector<std::string>& roots);

}  // namespace ffrtmp::agent
