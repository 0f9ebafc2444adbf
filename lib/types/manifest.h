#pragma once

#include <string>
#include <vector>

#include "sys/json.h"
#include "types/plan.h"

namespace ffrtmp {

/// The files of an output as they stand now: {path below the output, or "" for a file; bytes; sha256}.
/// Digests are made by sha256sum, many files to a process. An output of more than 20000 files has no digests.
Json manifest_of(const PlannedOutput& output);

}  // namespace ffrtmp
