#include "sys/clock.h"

#include <ctime>

namespace ffrtmp {

namespace {
int64_t read_clock(clockid_t clock) {
  timespec now{};
  ::clock_gettime(clock, &now);
  return now.tv_sec * 1'000'000'000LL + now.tv_nsec;
}
}  // namespace

WallTime wall_now() { return {read_clock(CLOCK_REALTIME)}; }
Duration monotonic_now() { return Duration(read_clock(CLOCK_MONOTONIC)); }

std::string rfc3339(WallTime time) {
  // Not strftime: it reads the time zone's file first, whatever it is asked.
  const time_t seconds = time.ns / 1'000'000'000;
  tm utc{};
  ::gmtime_r(&seconds, &utc);
  char out[64];
  snprintf(out, sizeof out, "%04d-%02d-%02dT%02d:%02d:%02d.%03dZ", utc.tm_year + 1900, utc.tm_mon + 1,
           utc.tm_mday, utc.tm_hour, utc.tm_min, utc.tm_sec, static_cast<int>(time.ns / 1'000'000 % 1000));
  return out;
}

WallTime parse_rfc3339(const std::string& text) {
  tm utc{};
  int milli = 0;
  if (sscanf(text.c_str(), "%4d-%2d-%2dT%2d:%2d:%2d.%3dZ", &utc.tm_year, &utc.tm_mon, &utc.tm_mday,
             &utc.tm_hour, &utc.tm_min, &utc.tm_sec, &milli) != 7)
    return {};
  utc.tm_year -= 1900;
  utc.tm_mon -= 1;
  const time_t seconds = ::timegm(&utc);
  constexpr time_t kFarFuture =
      INT64_MAX / 4'000'000'000;  // leaves room for sums and differences in nanoseconds
  if (seconds < 0 || seconds > kFarFuture || milli < 0) return {};
  return {seconds * 1'000'000'000LL + milli * 1'000'000LL};
}

}  // namespace ffrtmp
