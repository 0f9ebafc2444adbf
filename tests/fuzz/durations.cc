#include "fuzz.h"
#include "sys/clock.h"
#include "sys/units.h"

using namespace ffrtmp;

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  const std::string_view text = fuzz::text(data, size);
  if (const auto parsed = parse_duration(text); const Duration* duration = fuzz::value(parsed)) {
    MUST(duration->count() > 0);
    char exact[64];
    snprintf(exact, sizeof exact, "%lld.%09llds", static_cast<long long>(duration->count() / 1'000'000'000),
             static_cast<long long>(duration->count() % 1'000'000'000));
    MUST(*parse_duration(exact) == *duration);
    MUST(!format_duration(*duration).empty());
  }
  // A time of day that was read is the one that is written again.
  if (const WallTime time = parse_rfc3339(std::string(text)); time.ns != 0) {
    MUST(time.ns > 0);
    MUST(parse_rfc3339(rfc3339(time)) == time);
  }
  return 0;
}
