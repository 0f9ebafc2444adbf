#include "adopt/memory.h"

#include <thread>

#include "cgroup/kernel_files.h"
#include "proc/procfs.h"
#include "sys/clock.h"
#include "sys/file.h"
#include "sys/text.h"

namespace ffrtmp {

namespace {

using namespace std::chrono_literals;
constexpr Duration kBudget = 3s;

uint64_t number_in(const CgroupDir& dir, const char* file) {
  return parse_u64(trim(read_or_empty(dir.fd.get(), file))).value_or(0);
}

std::unexpected<Error> in_use(uint64_t used, Bytes maximum, const char* what) {
  return bad_input("it uses " + format_bytes(Bytes{used}) + std::string(what) +
                       ", more than the asked maximum of " + format_bytes(maximum),
                   "", "give it more, or --force to have the kernel kill it where it must");
}

}  // namespace

Status make_room(const CgroupDir& memory, Bytes maximum, const WriteMemory& write) {
  const bool v2 = memory.hierarchy.dialect == Dialect::v2;
  const std::string stat = read_or_empty(memory.fd.get(), "memory.stat");
  const uint64_t anonymous = keyed_value(stat, v2 ? "anon" : "total_rss").value_or(0);
  // Nothing short of swapping a live stream out could make that smaller.
  if (anonymous > maximum.count) return in_use(anonymous, maximum, " of anonymous memory");
  if (!v2) return {};
  uint64_t used = number_in(memory, kMemoryCurrent);
  if (used <= maximum.count) return {};
  const std::string high_text = read_or_empty(memory.fd.get(), kMemoryHigh);
  const uint64_t high = parse_u64(trim(high_text)).value_or(UINT64_MAX);
  TRY_OK(write(LimitKind::memory_high, maximum));
  const Duration deadline = monotonic_now() + kBudget;
  while ((used = number_in(memory, kMemoryCurrent)) > maximum.count && monotonic_now() < deadline) {
    // Done by us, so that the stream need not do it itself when it next allocates. EAGAIN: less than that
    // came.
    (void)write_control(memory.fd.get(), kMemoryReclaim, std::to_string(used - maximum.count));
    if (number_in(memory, kMemoryCurrent) > maximum.count) std::this_thread::sleep_for(20ms);
  }
  TRY_OK(write(LimitKind::memory_high, Bytes{high}));
  if (used > maximum.count) return in_use(used, maximum, " after 3 s of reclaim");
  return {};
}

}  // namespace ffrtmp
