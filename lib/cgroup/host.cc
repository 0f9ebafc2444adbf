#include "cgroup/host.h"

#include <fcntl.h>
#include <unistd.h>

#include <algorithm>

#include "cgroup/kernel_files.h"
#include "proc/procfs.h"
#include "sys/file.h"
#include "sys/text.h"

namespace ffrtmp {

std::string_view controller_name(Controller controller) {
  switch (controller) {
    case Controller::cpu: return "cpu";
    case Controller::cpuset: return "cpuset";
    case Controller::memory: return "memory";
    case Controller::io: return "io";
    case Controller::pids: return "pids";
  }
  return "";
}

std::set<Controller> controllers_of(const std::vector<Limit>& limits) {
  std::set<Controller> out;
  for (const auto& limit : limits)
    if (const auto controller = controller_of(limit.kind)) out.insert(*controller);
  return out;
}

std::optional<Controller> controller_of(LimitKind kind) {
  switch (kind) {
    case LimitKind::cpu_max:
    case LimitKind::cpu_weight: return Controller::cpu;
    case LimitKind::cpuset: return Controller::cpuset;
    case LimitKind::swap_max:
    case LimitKind::memory_high:
    case LimitKind::memory_max: return Controller::memory;
    case LimitKind::io_max:
    case LimitKind::io_weight: return Controller::io;
    case LimitKind::pids_max: return Controller::pids;
    case LimitKind::nice:
    case LimitKind::ionice:
    case LimitKind::oom_score_adj: return std::nullopt;
  }
  return std::nullopt;
}

bool Hierarchy::has(Controller controller) const {
  const std::string_view name =
      controller == Controller::io && dialect == Dialect::v1 ? "blkio" : controller_name(controller);
  return std::ranges::find(names, name) != names.end();
}

std::optional<std::string> Hierarchy::folder(const std::string& cgroup_path) const {
  if (mount_root == "/") return cgroup_path == "/" ? mount_point : mount_point + cgroup_path;
  if (cgroup_path == mount_root) return mount_point;
  if (cgroup_path.starts_with(mount_root + "/")) return mount_point + cgroup_path.substr(mount_root.size());
  return std::nullopt;
}

const Hierarchy* Host::unified() const {
  const auto found = std::ranges::find(hierarchies, Dialect::v2, &Hierarchy::dialect);
  return found == hierarchies.end() ? nullptr : &*found;
}

const Hierarchy* Host::of(Controller controller) const {
  const auto found = std::ranges::find_if(hierarchies, [&](const Hierarchy& h) { return h.has(controller); });
  return found == hierarchies.end() ? nullptr : &*found;
}

std::string_view host_kind_name(Host::Kind kind) {
  switch (kind) {
    case Host::Kind::unified: return "unified";
    case Host::Kind::hybrid: return "hybrid";
    case Host::Kind::legacy: return "legacy";
    case Host::Kind::none: return "none";
  }
  return "";
}

Host probe_host(const HostPaths& paths) {
  Host host;
  host.uid = ::geteuid();
  host.systemd = ::access(paths.systemd_booted.c_str(), F_OK) == 0;
  const auto mount_text = read_file(paths.mountinfo);
  const auto self_text = read_file(paths.self_cgroup);
  if (!mount_text || !self_text) {
    host.trouble = (!mount_text ? mount_text.error() : self_text.error()).message();
    return host;
  }
  const auto own = parse_proc_cgroup(*self_text);
  for (const auto& mount : parse_mountinfo(*mount_text)) {
    const bool v2 = mount.fs_type == "cgroup2";
    if (!v2 && mount.fs_type != "cgroup") continue;
    Hierarchy h;
    h.dialect = v2 ? Dialect::v2 : Dialect::v1;
    h.mount_point = mount.mount_point;
    h.mount_root = mount.root;
    h.read_only = mount.read_only;
    for (const auto& line : own) {
      const bool same =
          v2 ? line.hierarchy == 0 && line.controllers.empty()
             : !line.controllers.empty() && std::ranges::all_of(line.controllers, [&](const auto& name) {
                 return std::ranges::find(mount.super_options, name) != mount.super_options.end();
               });
      if (!same) continue;
      h.self = line.path;
      h.names = line.controllers;
    }
    if (h.self.empty()) continue;
    if (v2) {
      const auto available = read_file(h.mount_point + "/" + kCgroupControllers);
      if (!available) host.trouble = available.error().message();
      if (available)
        for (std::string_view name : words(*available)) h.names.emplace_back(name);
    }
    // The same hierarchy may be mounted twice (a bind mount into a sandbox): the first is the usual one.
    const auto twin = std::ranges::find_if(host.hierarchies, [&](const Hierarchy& other) {
      return other.dialect == h.dialect && (v2 || other.names == h.names);
    });
    if (twin == host.hierarchies.end()) host.hierarchies.push_back(std::move(h));
  }
  const bool has_v1 =
      std::ranges::any_of(host.hierarchies, [](const Hierarchy& h) { return h.dialect == Dialect::v1; });
  const bool has_v2 = host.unified() != nullptr;
  host.kind = has_v1 && has_v2 ? Host::Kind::hybrid
              : has_v1         ? Host::Kind::legacy
              : has_v2         ? Host::Kind::unified
                               : Host::Kind::none;
  if (host.kind == Host::Kind::none && host.trouble.empty())
    host.trouble = "no cgroup file system is mounted";
  return host;
}

}  // namespace ffrtmp
