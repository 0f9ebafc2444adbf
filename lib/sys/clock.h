#pragma once

#include <cstdint>
#include <string>

#include "sys/units.h"

namespace ffrtmp {

/// A moment on the wall clock (CLOCK_REALTIME), nanoseconds since 1970.
struct WallTime {
  int64_t ns = 0;
  auto operator<=>(const WallTime&) const = default;
};

WallTime wall_now();
/// CLOCK_MONOTONIC: for durations.
Duration monotonic_now();
/// RFC 3339 in UTC with milliseconds: 2026-01-31T08:15:30.125Z.
std::string rfc3339(WallTime time);
/// The reverse; 0 for what is not such a time.
WallTime parse_rfc3339(const std::string& text);

}  // namespace ffrtmp
