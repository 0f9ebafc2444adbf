#include "cgroup/limit.h"
#include "fuzz.h"

using namespace ffrtmp;

static void check(const Result<CpuMax>& parsed) {
  const CpuMax* max = fuzz::value(parsed);
  if (!max) return;
  // What the kernel takes: Documentation/scheduler/sched-bwc.rst.
  MUST(max->period_us >= 1000 && max->period_us <= 1'000'000 && max->quota_us >= 1000);
  MUST(max->cpus() > 0);
  MUST(*parse_cpu_max(v2_text(*max)) == *max);
  MUST(!format_limit(LimitKind::cpu_max, *max).empty());
}

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  const std::string_view text = fuzz::text(data, size);
  check(parse_cpu_max(text));
  check(parse_cpus(text));
  check(parse_cpu_quota_percent(text));
  const auto percent = parse_percent_milli(text);
  if (const uint64_t* milli = fuzz::value(percent)) MUST(*milli > 0);
  return 0;
}
