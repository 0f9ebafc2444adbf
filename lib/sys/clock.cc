#include "sys/clock.h"

#include <chrono>
#include <cstdio>
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

// The calendar of <chrono>, because glibc's reads the time zone's file first, whatever it is asked.

std::string rfc3339(WallTime time) {
  using namespace std::chrono;
  const sys_time<nanoseconds> when{nanoseconds(time.ns)};
  const auto midnight = floor<days>(when);
  const year_month_day date{midnight};
  const hh_mm_ss clock{floor<milliseconds>(when - midnight)};
  char out[64];
  snprintf(out, sizeof out, "%04d-%02u-%02uT%02d:%02d:%02d.%03dZ", static_cast<int>(date.year()),
           static_cast<unsigned>(date.month()), static_cast<unsigned>(date.day()),
           static_cast<int>(clock.hours().count()), static_cast<int>(clock.minutes().count()),
           static_cast<int>(clock.seconds().count()), static_cast<int>(clock.subseconds().count()));
  return out;
}

WallTime parse_rfc3339(const std::string& text) {
  using namespace std::chrono;
  int y, milli = 0;
  unsigned m, d, hour, minute, second;
  if (sscanf(text.c_str(), "%4d-%2u-%2uT%2u:%2u:%2u.%3dZ", &y, &m, &d, &hour, &minute, &second, &milli) != 7)
    return {};
  const year_month_day date{year(y), month(m), day(d)};
  constexpr unsigned kLeapSecond = 60;
  if (!date.ok() || hour > 23 || minute > 59 || second > kLeapSecond || milli < 0) return {};
  const auto when = sys_days(date) + hours(hour) + minutes(minute) + seconds(second) + milliseconds(milli);
  constexpr year kFirst{1970}, kFarFuture{2150};  // leaves room for sums and differences in nanoseconds
  if (date.year() < kFirst || date.year() > kFarFuture) return {};
  return {duration_cast<nanoseconds>(when.time_since_epoch()).count()};
}

}  // namespace ffrtmp
