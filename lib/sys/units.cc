#include "sys/units.h"

#include <cmath>
#include <cstdio>
#include <optional>

#include "sys/text.h"

namespace ffrtmp {

namespace {

/// A non-negative decimal "12" or "12.5" in units of 10^-9, so that no float rounds what people typed.
std::optional<unsigned __int128> parse_decimal_nano(std::string_view text) {
  const size_t dot = text.find('.');
  const std::string_view whole = text.substr(0, dot);
  std::string fraction(dot == std::string_view::npos ? "" : text.substr(dot + 1));
  if (dot != std::string_view::npos && (fraction.empty() || fraction.size() > 9)) return std::nullopt;
  fraction.resize(9, '0');
  const auto w = parse_u64(whole);
  const auto f = parse_u64(fraction);
  if (!w || !f) return std::nullopt;
  return static_cast<unsigned __int128>(*w) * 1'000'000'000u + *f;
}

constexpr unsigned __int128 kInt64Max = INT64_MAX;

}  // namespace

Result<Bytes> parse_bytes(std::string_view text) {
  const auto wrong = [&](const char* what) {
    return bad_input(what, "\"" + std::string(text) + "\"",
                     "give bytes or a number with K, M, G or T, such as 512M or 2G");
  };
  std::string_view number = trim(text);
  if (number.ends_with("iB"))
    number.remove_suffix(2);
  else if (number.ends_with("B"))
    number.remove_suffix(1);
  if (number.empty()) return wrong("not a size:");
  unsigned shift = 0;
  switch (number.back()) {
    case 'K':
    case 'k': shift = 10; break;
    case 'M':
    case 'm': shift = 20; break;
    case 'G':
    case 'g': shift = 30; break;
    case 'T':
    case 't': shift = 40; break;
  }
  if (shift != 0) number.remove_suffix(1);
  if (number.starts_with("-")) return wrong("a size cannot be negative:");
  const auto nano = parse_decimal_nano(number);
  if (!nano) {
    return wrong(!number.empty() && number.find_first_not_of("0123456789") == std::string_view::npos
                     ? "size too large:"
                     : "not a size:");
  }
  // 2^64 * 10^9 * 2^40 needs 134 bits: refuse what is too large before shifting.
  if (*nano / 1'000'000'000u > (kInt64Max >> shift)) return wrong("size too large:");
  const unsigned __int128 bytes = (*nano << shift) / 1'000'000'000u;
  if (bytes == 0) return wrong("a size must be greater than zero:");
  if (bytes > kInt64Max) return wrong("size too large:");
  return Bytes{static_cast<uint64_t>(bytes)};
}

std::string format_bytes(Bytes bytes) {
  constexpr char kUnits[] = {'K', 'M', 'G', 'T'};
  if (bytes.count < 1024) return std::to_string(bytes.count);
  double value = static_cast<double>(bytes.count);
  int unit = -1;
  while (unit < 3 && value >= 1024) value /= 1024, unit++;
  char out[32];
  const bool whole = std::fabs(value - std::round(value)) < 0.05 || value >= 100;
  snprintf(out, sizeof out, whole ? "%.0f%c" : "%.1f%c", value, kUnits[unit]);
  return out;
}

Result<Duration> parse_duration(std::string_view text) {
  const auto wrong = [&](const char* what) {
    return bad_input(what, "\"" + std::string(text) + "\"",
                     "give seconds or a number with ms, s, m, h or d, such as 90s or 1h30m");
  };
  std::string_view rest = trim(text);
  if (rest.empty()) return wrong("not a duration:");
  if (rest.starts_with("-")) return wrong("a duration cannot be negative:");
  unsigned __int128 total = 0;
  while (!rest.empty()) {
    const size_t digits = std::min(rest.find_first_not_of("0123456789."), rest.size());
    const auto nano = parse_decimal_nano(rest.substr(0, digits));
    if (!nano) return wrong("not a duration:");
    rest.remove_prefix(digits);
    const size_t letters = std::min(rest.find_first_of("0123456789."), rest.size());
    const std::string_view unit = rest.substr(0, letters);
    rest.remove_prefix(letters);
    unsigned __int128 part = *nano;
    if (part > kInt64Max * 1000u) return wrong("duration too long:");
    if (unit == "ms")
      part /= 1000;
    else if (unit == "s" || unit.empty())
      part *= 1;
    else if (unit == "m" || unit == "min")
      part *= 60;
    else if (unit == "h")
      part *= 3600;
    else if (unit == "d")
      part *= 86400;
    else
      return wrong("not a duration:");
    total += part;
    if (total > kInt64Max) return wrong("duration too long:");
  }
  if (total == 0) return wrong("a duration must be greater than zero:");
  return Duration(static_cast<int64_t>(total));
}

std::string format_duration(Duration duration) {
  const double seconds = seconds_of(duration);
  char out[64];
  const auto two = [&](double big, const char* big_unit, double small, const char* small_unit) {
    snprintf(out, sizeof out, "%.0f %s %.0f %s", big, big_unit, small, small_unit);
  };
  const double whole = std::floor(seconds);
  if (seconds < 1)
    snprintf(out, sizeof out, "%.0f ms", seconds * 1e3);
  else if (seconds < 60)
    snprintf(out, sizeof out, "%.1f s", seconds);
  else if (seconds < 3600)
    two(std::floor(whole / 60), "min", std::fmod(whole, 60), "s");
  else if (seconds < 86400)
    two(std::floor(whole / 3600), "h", std::floor(std::fmod(whole, 3600) / 60), "min");
  else
    two(std::floor(whole / 86400), "d", std::floor(std::fmod(whole, 86400) / 3600), "h");
  return out;
}

std::string format_bit_rate(double bits_per_second) {
  static constexpr const char* kUnits[] = {"bit/s", "kbit/s", "Mbit/s", "Gbit/s"};
  size_t unit = 0;
  while (bits_per_second >= 1000 && unit + 1 < std::size(kUnits)) bits_per_second /= 1000, unit++;
  char out[64];
  snprintf(out, sizeof out, bits_per_second < 10 && unit > 0 ? "%.2f %s" : "%.0f %s", bits_per_second,
           kUnits[unit]);
  return out;
}

Result<uint64_t> parse_percent_milli(std::string_view text) {
  const auto wrong = [&](const char* what) {
    return bad_input(what, "\"" + std::string(text) + "\"", "give a percentage of one CPU such as 150%");
  };
  std::string_view number = trim(text);
  if (!number.ends_with("%")) return wrong("not a percentage:");
  number.remove_suffix(1);
  if (number.starts_with("-")) return wrong("a percentage cannot be negative:");
  const auto nano = parse_decimal_nano(number);
  if (!nano) return wrong("not a percentage:");
  const unsigned __int128 milli = *nano / 1'000'000u;
  if (milli == 0) return wrong("a percentage must be greater than zero:");
  if (milli > 100'000'000'000u) return wrong("percentage too large:");
  return static_cast<uint64_t>(milli);
}

}  // namespace ffrtmp
