#include <unistd.h>

#include <algorithm>

#include "cgroup/kernel_files.h"
#include "cgroup/placement.h"
#include "doctor/doctor.h"
#include "sys/file.h"
#include "sys/text.h"

namespace ffrtmp {

namespace {

std::vector<std::string> controllers_at(const Hierarchy& h, const std::string& path) {
  std::vector<std::string> out;
  const auto folder = h.folder(path);
  const auto text = folder ? read_file(*folder + "/" + kCgroupControllers) : sys_error("", "", ENOENT);
  if (text)
    for (std::string_view name : words(*text)) out.emplace_back(name);
  return out;
}

/// By /etc/passwd alone: getpwuid(3) would have a static program load libraries. The number where it is not
/// there.
std::string user_name(uid_t uid) {
  const auto text = read_file("/etc/passwd");
  if (text)
    for (std::string_view line : lines(std::string_view(*text)))
      if (const auto part = split(line, ':'); part.size() > 2 && part[2] == std::to_string(uid))
        return std::string(part[0]);
  return std::to_string(uid);
}

/// The unit file that systemd/user-delegate.conf is, as commands that need no file of ours.
std::vector<std::string> drop_in(uid_t uid) {
  return {"sudo mkdir -p /etc/systemd/system/user@.service.d",
          "printf '[Service]\\nDelegate=cpu cpuset io memory pids\\n' | sudo tee "
          "/etc/systemd/system/user@.service.d/10-ffrtmp-delegate.conf",
          "sudo systemctl daemon-reload",
          "sudo systemctl restart user@" + std::to_string(uid) +
              ".service   # ends what runs in it; or wait for its next start"};
}

}  // namespace

Delegation find_delegation(const Host& host) {
  Delegation out;
  out.uid = host.uid;
  out.systemd = host.systemd;
  out.user = user_name(host.uid);
  out.lingers = ::access(("/var/lib/systemd/linger/" + out.user).c_str(), F_OK) == 0;
  out.why_none = why_no_place(host, PlacementRequest{});
  const auto places = placement_candidates(host, PlacementRequest{});
  const auto has = [&](PlacementKind kind) {
    return places && std::ranges::find(*places, kind) != places->end();
  };
  out.manager = has(PlacementKind::systemd_user) || has(PlacementKind::systemd_system);
  out.own_subtree = has(PlacementKind::own_subtree);
  const Hierarchy* cpuset = host.of(Controller::cpuset);
  out.v1_cpuset = cpuset && cpuset->dialect == Dialect::v1;
  const Hierarchy* h = host.unified();
  if (!h) return out;
  for (const Controller controller : kControllers)
    if (h->has(controller)) out.of_host.emplace_back(controller_name(controller));
  if (host.uid == 0 && (out.manager || has(PlacementKind::root))) {
    out.controllers = out.of_host;
  } else if (out.own_subtree) {
    out.controllers = controllers_at(*h, h->self);
  } else if (out.manager) {
    // The scope's two levels up is the manager's own cgroup: what it has, it can pass on.
    std::string path = scope_cgroup(host);
    for (int level = 0; level < 2; level++) path.erase(path.rfind('/'));
    out.controllers = controllers_at(*h, path);
  }
  return out;
}

std::vector<Fact> delegation_facts(const Delegation& found) {
  std::vector<Fact> out;
  const std::string who = "user " + found.user;
  if (!found.why_none.empty()) {
    Fact fact{"delegation", Health::bad, found.why_none + ": limits are advisory", {}};
    if (found.systemd && found.uid != 0)
      fact.mend = {"sudo loginctl enable-linger " + shell_quote(found.user),
                   "export XDG_RUNTIME_DIR=/run/user/" + std::to_string(found.uid)};
    out.push_back(fact);
    return out;
  }
  if (found.uid == 0 && found.systemd && found.v1_cpuset) {
    out.push_back(
        {"delegation",
         Health::lesser,
         "root: systemd gives a scope, without cpuset, which it leaves alone on cgroup v1: --cpuset "
         "comes to an affinity",
         {}});
    return out;
  }
  if (found.uid == 0) {
    out.push_back({"delegation",
                   Health::good,
                   found.systemd ? "root: systemd gives a scope with every controller"
                                 : "root without systemd: cgroups are made at the top of each hierarchy",
                   {}});
    return out;
  }
  std::vector<std::string> missing;
  for (const auto& name : found.of_host)
    if (std::ranges::find(found.controllers, name) == found.controllers.end()) missing.push_back(name);
  if (missing.empty() && !found.of_host.empty()) {
    out.push_back({"delegation", Health::good, who + " is given " + join(found.controllers, ", "), {}});
  } else if (found.of_host.empty()) {
    out.push_back({"delegation",
                   Health::bad,
                   "cgroup v1 controllers are not delegated to normal users: limits are advisory",
                   {}});
  } else {
    const auto lacks = [&](const char* name) { return std::ranges::find(missing, name) != missing.end(); };
    std::vector<std::string> options;
    if (lacks("cpu")) options.insert(options.end(), {"--cpu-max", "--cpu-weight"});
    if (lacks("cpuset")) options.push_back("--cpuset");
    if (lacks("io")) options.insert(options.end(), {"--io-max", "--io-weight"});
    if (lacks("memory")) options.push_back("--memory-max");
    if (lacks("pids")) options.push_back("--pids-max");
    const bool vital = lacks("cpu") || lacks("memory");
    out.push_back(
        {"delegation", vital ? Health::bad : Health::lesser,
         who + " is not given " + join(missing, ", ") + ": " + join(options, ", ") + " are not enforced",
         found.systemd ? drop_in(found.uid) : std::vector<std::string>{}});
  }
  if (found.systemd && found.manager)
    out.push_back(found.lingers
                      ? Fact{"linger", Health::good, "jobs of " + who + " outlive the last login", {}}
                      : Fact{"linger",
                             Health::lesser,
                             "jobs of " + who + " end with the last login",
                             {"sudo loginctl enable-linger " + shell_quote(found.user)}});
  return out;
}

}  // namespace ffrtmp
