#include "proc/cpu_set.h"

#include <algorithm>
#include <memory>
#include <set>

#include "sys/file.h"
#include "sys/text.h"

namespace ffrtmp {

Result<CpuList> parse_cpu_list(std::string_view text) {
  const auto wrong = [&](const char* what) {
    return bad_input(what, "\"" + std::string(text) + "\"", "give a list such as 0-3,8");
  };
  std::set<unsigned> seen;
  for (std::string_view part : split(trim(text), ',')) {
    const auto ends = split(part, '-');
    const auto first = parse_u64(ends[0]);
    const auto last = ends.size() == 1 ? first : ends.size() == 2 ? parse_u64(ends[1]) : std::nullopt;
    if (!first || !last) return wrong("not a list of CPUs:");
    if (*last < *first) return wrong("a range of CPUs must ascend:");
    if (*last >= kMaxCpus) return wrong("CPU number too large:");
    for (uint64_t cpu = *first; cpu <= *last; cpu++) seen.insert(static_cast<unsigned>(cpu));
  }
  return CpuList{{seen.begin(), seen.end()}};
}

std::string format_cpu_list(const CpuList& list) {
  std::string out;
  for (size_t i = 0; i < list.cpus.size();) {
    size_t end = i;
    while (end + 1 < list.cpus.size() && list.cpus[end + 1] == list.cpus[end] + 1) end++;
    if (!out.empty()) out += ',';
    out += std::to_string(list.cpus[i]);
    if (end > i) out += '-' + std::to_string(list.cpus[end]);
    i = end + 1;
  }
  return out;
}

namespace {

/// cpu_set_t for as many CPUs as the kernel may have.
struct Mask {
  std::unique_ptr<cpu_set_t, void (*)(cpu_set_t*)> set{CPU_ALLOC(kMaxCpus),
                                                       [](cpu_set_t* s) { CPU_FREE(s); }};
  size_t size = CPU_ALLOC_SIZE(kMaxCpus);
  Mask() { CPU_ZERO_S(size, set.get()); }
};

}  // namespace

Result<CpuList> affinity_of(pid_t pid) {
  Mask mask;
  if (::sched_getaffinity(pid, mask.size, mask.set.get()) != 0)
    return sys_error("reading the CPU affinity of", std::to_string(pid));
  CpuList out;
  for (unsigned cpu = 0; cpu < kMaxCpus; cpu++)
    if (CPU_ISSET_S(cpu, mask.size, mask.set.get())) out.cpus.push_back(cpu);
  return out;
}

Status set_affinity(pid_t pid, const CpuList& cpus) {
  Mask mask;
  for (unsigned cpu : cpus.cpus) CPU_SET_S(cpu, mask.size, mask.set.get());
  if (::sched_setaffinity(pid, mask.size, mask.set.get()) != 0)
    return sys_error("setting the CPU affinity of", std::to_string(pid));
  return {};
}

CpuList spread_over_cores(const CpuList& allowed, unsigned count, unsigned start,
                          const std::vector<unsigned>& core_of) {
  struct Candidate {
    unsigned rank;  ///< how many CPUs of its core were met before it
    unsigned cpu;
  };
  std::vector<Candidate> order;
  std::vector<unsigned> met;
  for (size_t i = 0; i < allowed.cpus.size(); i++) {
    const unsigned cpu = allowed.cpus[(start + i) % allowed.cpus.size()];
    const unsigned core = cpu < core_of.size() ? core_of[cpu] : cpu;
    if (core >= met.size()) met.resize(core + 1);
    order.push_back({met[core]++, cpu});
  }
  std::ranges::stable_sort(order, {}, &Candidate::rank);
  if (order.size() > count) order.resize(count);
  CpuList out;
  for (const auto& candidate : order) out.cpus.push_back(candidate.cpu);
  std::ranges::sort(out.cpus);
  return out;
}

CpuList spread_over_cores(const CpuList& allowed, unsigned count, unsigned start) {
  std::vector<unsigned> core_of;
  for (unsigned cpu : allowed.cpus) {
    if (cpu >= core_of.size()) core_of.resize(cpu + 1, kMaxCpus);
    const auto siblings =
        read_file("/sys/devices/system/cpu/cpu" + std::to_string(cpu) + "/topology/thread_siblings_list");
    const auto list = siblings ? parse_cpu_list(*siblings) : bad_input("no topology", "");
    core_of[cpu] = list ? list->cpus.front() : cpu;  // a core is named by its first CPU
  }
  return spread_over_cores(allowed, count, start, core_of);
}

}  // namespace ffrtmp
