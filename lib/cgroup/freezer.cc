#include "cgroup/freezer.h"

#include <algorithm>
#include <thread>

#include "cgroup/kernel_files.h"
#include "proc/procfs.h"
#include "sys/clock.h"
#include "sys/file.h"
#include "sys/text.h"

namespace ffrtmp {

namespace {

const CgroupDir* v1_freezer(const Leaf& leaf) {
  const auto found = std::ranges::find_if(leaf.dirs, [](const CgroupDir& dir) {
    return std::ranges::find(dir.hierarchy.names, "freezer") != dir.hierarchy.names.end() &&
           dir.hierarchy.dialect == Dialect::v1;
  });
  return found == leaf.dirs.end() ? nullptr : &*found;
}

}  // namespace

bool is_frozen(const Leaf& leaf) {
  if (const auto* v2 = leaf.unified())
    return keyed_value(read_or_empty(v2->fd.get(), kCgroupEvents), "frozen").value_or(0) != 0;
  const auto* v1 = v1_freezer(leaf);
  return v1 && trim(read_or_empty(v1->fd.get(), kV1FreezerState)) == "FROZEN";
}

Status freeze(const Leaf& leaf, bool frozen, Duration patience) {
  const auto* v2 = leaf.unified();
  const auto* v1 = v2 ? nullptr : v1_freezer(leaf);
  if (!v2 && !v1) return sys_error("freezing", leaf.name, ENOENT, "it has no cgroup with a freezer");
  if (v2)
    TRY_OK(write_control(v2->fd.get(), kCgroupFreeze, frozen ? "1" : "0"));
  else
    TRY_OK(write_control(v1->fd.get(), kV1FreezerState, frozen ? "FROZEN" : "THAWED"));
  const Duration deadline = monotonic_now() + patience;
  while (is_frozen(leaf) != frozen) {
    if (monotonic_now() > deadline)
      return sys_error(frozen ? "freezing" : "thawing", leaf.name, ETIMEDOUT,
                       "a process is in uninterruptible sleep, or a cgroup above is frozen");
    std::this_thread::sleep_for(std::chrono::milliseconds(1));
  }
  return {};
}

}  // namespace ffrtmp
