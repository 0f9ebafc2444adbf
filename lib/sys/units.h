#pragma once

#include <chrono>
#include <cstdint>
#include <string>
#include <string_view>

#include "sys/result.h"

namespace ffrtmp {

/// A number of bytes.
struct Bytes {
  uint64_t count = 0;
  auto operator<=>(const Bytes&) const = default;
};

/// "2G", "512M", "64K", "1T", "1.5G", "1048576": powers of 1024; an optional trailing "B" or "iB" is taken.
/// Zero, negative, and more than 2^63-1 are errors that say what would do.
Result<Bytes> parse_bytes(std::string_view text);
/// The shortest exact or rounded form for people: "2G", "1.5G", "312M", "900" (bytes).
std::string format_bytes(Bytes bytes);

using Duration = std::chrono::nanoseconds;
inline double seconds_of(Duration duration) { return std::chrono::duration<double>(duration).count(); }

/// "90", "90s", "1.5s", "250ms", "5m", "2h", "1d", "1h30m"; a bare number is seconds. Greater than zero.
Result<Duration> parse_duration(std::string_view text);
/// "830 ms", "12.4 s", "3 min 20 s", "2 h 5 min", "4 d 2 h".
std::string format_duration(Duration duration);

/// "2.1 Mbit/s", "640 kbit/s": powers of 1000, as the field counts bit rates.
std::string format_bit_rate(double bits_per_second);

/// A percentage such as "150%" or "12.5%"; the sign is required. In thousandths of a percent.
Result<uint64_t> parse_percent_milli(std::string_view text);

}  // namespace ffrtmp
