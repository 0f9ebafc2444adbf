#include <algorithm>

#include "fuzz.h"
#include "proc/cpu_set.h"

using namespace ffrtmp;

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  const auto parsed = parse_cpu_list(fuzz::text(data, size));
  const CpuList* list = fuzz::value(parsed);
  if (!list) return 0;
  MUST(!list->cpus.empty());
  MUST(std::ranges::is_sorted(list->cpus) && std::ranges::adjacent_find(list->cpus) == list->cpus.end());
  MUST(list->cpus.back() < kMaxCpus);
  MUST(*parse_cpu_list(format_cpu_list(*list)) == *list);
  // Any topology, any start: as many as there are or were asked for, all allowed, no two cores' halves in
  // vain.
  const unsigned count = size % 9, start = data[size - 1];
  std::vector<unsigned> core_of(16);
  for (size_t cpu = 0; cpu < core_of.size(); cpu++) core_of[cpu] = data[cpu % size] % 16;
  const auto chosen = spread_over_cores(*list, count, start, core_of);
  MUST(chosen.cpus.size() == std::min<size_t>(count, list->cpus.size()));
  for (const unsigned cpu : chosen.cpus) MUST(std::ranges::binary_search(list->cpus, cpu));
  return 0;
}
