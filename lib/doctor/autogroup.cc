#include <algorithm>

#include "doctor/doctor.h"
#include "sys/file.h"
#include "sys/text.h"

namespace ffrtmp {

Fact autogroup_fact(bool enabled, bool cpu_cgroup) {
  if (!enabled) return {"autogroup", Health::good, "off: nice values compete across sessions", {}};
  if (cpu_cgroup)
    return {"autogroup", Health::good, "on, and without effect on jobs: they have a cpu cgroup", {}};
  return {"autogroup",
          Health::lesser,
          "on: --nice competes inside a job's own session only (--cpu-weight sets the session's share, too)",
          {"sudo sysctl -w kernel.sched_autogroup_enabled=0"}};
}

Fact find_autogroup(const Host& host) {
  const auto text = read_file("/proc/sys/kernel/sched_autogroup_enabled");
  bool cpu_cgroup = host.of(Controller::cpu) != nullptr;
  if (const Delegation found = find_delegation(host); !found.why_none.empty())
    cpu_cgroup = false;
  else if (host.uid != 0)
    cpu_cgroup = std::ranges::find(found.controllers, "cpu") != found.controllers.end();
  return autogroup_fact(text && trim(*text) == "1", cpu_cgroup);
}

}  // namespace ffrtmp
