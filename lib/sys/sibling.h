#pragma once

#include <string>

#include "sys/result.h"

namespace ffrtmp {

/// The path of another program of ours: beside this one (a build), or in libexec/ffrtmp (an installation).
/// `purpose` ends "the program that …" in the error.
Result<std::string> sibling(const std::string& name, const std::string& purpose);

}  // namespace ffrtmp
