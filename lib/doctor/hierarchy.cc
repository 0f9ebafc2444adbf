#include <algorithm>

#include "doctor/doctor.h"
#include "sys/text.h"

namespace ffrtmp {

namespace {

std::vector<std::string> add_to_command_line(const std::string& words) {
  return {"sudo sed -i 's/^GRUB_CMDLINE_LINUX=\"/&" + words + " /' /etc/default/grub && sudo update-grub",
          "sudo reboot"};
}

/// "memory, cpu (v1 at /sys/fs/cgroup/cpu)"
std::string where_of(const Host& host, Controller controller) {
  const Hierarchy* h = host.of(controller);
  if (!h) return "";
  return h->dialect == Dialect::v2 ? "v2" : "v1";
}

}  // namespace

std::vector<Fact> hierarchy_facts(const Host& host) {
  std::vector<Fact> out;
  const std::string where = host.unified() ? " at " + host.unified()->mount_point : "";
  switch (host.kind) {
    case Host::Kind::unified:
      out.push_back({"cgroups", Health::good, "unified cgroup v2" + where, {}});
      if (host.unified()->read_only)
        out.back() = {"cgroups",
                      Health::bad,
                      "cgroup v2" + where + " is mounted read-only: no limit can be set",
                      {"sudo mount -o remount,rw " + shell_quote(host.unified()->mount_point)}};
      break;
    case Host::Kind::hybrid:
    case Host::Kind::legacy:
      out.push_back({"cgroups",
                     Health::lesser,
                     host.kind == Host::Kind::hybrid
                         ? "hybrid: controllers on cgroup v1, v2 beside them" + where +
                               "; no memory.high, and io.max holds direct I/O only"
                         : "cgroup v1 only; no memory.high, and io.max holds direct I/O only",
                     {}});
      if (host.systemd) out.back().mend = add_to_command_line("systemd.unified_cgroup_hierarchy=1");
      break;
    case Host::Kind::none:
      out.push_back({"cgroups",
                     Health::bad,
                     "none to be had (" + host.trouble + "): limits are advisory",
                     {"sudo mount -t cgroup2 none /sys/fs/cgroup"}});
      return out;
  }
  std::vector<std::string> there, missing;
  for (const Controller controller : kControllers) {
    const std::string name(controller_name(controller)), dialect = where_of(host, controller);
    if (dialect.empty())
      missing.push_back(name);
    else
      there.push_back(host.kind == Host::Kind::hybrid ? name + " (" + dialect + ")" : name);
  }
  if (missing.empty()) {
    out.push_back({"controllers", Health::good, join(there, ", "), {}});
    return out;
  }
  // Distributions for small boards leave memory off to save a percent of it.
  const bool memory = std::ranges::find(missing, "memory") != missing.end();
  out.push_back({"controllers", Health::bad,
                 "this kernel offers no " + join(missing, ", ") +
                     (there.empty() ? "" : "; it has " + join(there, ", ")),
                 memory ? add_to_command_line("cgroup_enable=memory") : std::vector<std::string>{}});
  if (!memory) out.back().health = Health::lesser;
  return out;
}

}  // namespace ffrtmp
