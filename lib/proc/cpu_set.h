#pragma once

#include <sched.h>

#include <string>
#include <string_view>
#include <vector>

#include "sys/result.h"

namespace ffrtmp {

/// A set of CPU numbers, in the kernel's list form ("0-3,8").
struct CpuList {
  std::vector<unsigned> cpus;  ///< ascending, without repeats
  bool operator==(const CpuList&) const = default;
};

/// Most CPUs the kernel is ever built for.
constexpr unsigned kMaxCpus = 8192;

/// Strict: digits, ',' and '-' only, ascending ranges, not empty.
Result<CpuList> parse_cpu_list(std::string_view text);
std::string format_cpu_list(const CpuList& list);

/// The CPUs this process may use (sched_getaffinity); `pid` 0 is the calling thread.
Result<CpuList> affinity_of(pid_t pid);
Status set_affinity(pid_t pid, const CpuList& cpus);

/// `count` CPUs out of `allowed`, one of each core before the second thread of any core, so that a small set
/// is not the two halves of one core. `core_of` gives the number of the core a CPU belongs to. Counting
/// starts at the `start`-th allowed CPU (modulo their number), so that job after job does not land on the
/// same ones.
CpuList spread_over_cores(const CpuList& allowed, unsigned count, unsigned start,
                          const std::vector<unsigned>& core_of);
/// The same with the host's topology from /sys/devices/system/cpu.
CpuList spread_over_cores(const CpuList& allowed, unsigned count, unsigned start);

}  // namespace ffrtmp
