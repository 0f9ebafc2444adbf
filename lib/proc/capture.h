#pragma once

#include <optional>
#include <string>
#include <vector>

#include "sys/result.h"
#include "sys/units.h"

namespace ffrtmp {

/// What a helper program printed and how it ended.
struct Captured {
  int wait_status = 0;
  std::string out, err;    ///< cut at the limit
  bool timed_out = false;  ///< it was killed because it took too long
  bool ok() const { return wait_status == 0 && !timed_out; }
  /// The last line of what it said on stderr that is not blank, or "".
  std::string complaint() const;
};

/// Runs a short helper (ffprobe, sha256sum) to its end and keeps what it prints, at most `limit` bytes a
/// stream; the rest is read and dropped so that it never blocks. Its standard input is /dev/null. A helper is
/// ours: after `patience` it is killed. Errors: not found (exit 127), not executable (126).
Result<Captured> capture(const std::vector<std::string>& argv, Duration patience, size_t limit = 8 << 20);

}  // namespace ffrtmp
