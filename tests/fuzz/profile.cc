#include "jobs/profile.h"

#include <algorithm>

#include "fuzz.h"

using namespace ffrtmp;

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  const auto parsed = parse_profile("fuzzed", std::string(fuzz::text(data, size)), "fuzzed.toml");
  const Profile* profile = fuzz::value(parsed);
  if (!profile) return 0;
  MUST(profile->name == "fuzzed" && profile->source == "fuzzed.toml");
  MUST(std::ranges::is_sorted(profile->limits, {}, &Limit::kind));
  for (const Limit& limit : profile->limits) {
    MUST(!limit.origin.empty());
    MUST(!v2_text(limit.value).empty());
    // TOML has no key twice, so only disks repeat.
    MUST(limit.kind == LimitKind::io_max ||
         std::ranges::count(profile->limits, limit.kind, &Limit::kind) == 1);
  }
  return 0;
}
