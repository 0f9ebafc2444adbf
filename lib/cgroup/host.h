#pragma once

#include <sys/types.h>

#include <optional>
#include <set>
#include <string>
#include <string_view>
#include <vector>

#include "cgroup/limit.h"
#include "sys/result.h"

namespace ffrtmp {

enum class Controller { cpu, cpuset, memory, io, pids };
inline constexpr std::array kControllers = {Controller::cpu, Controller::cpuset, Controller::memory,
                                            Controller::io, Controller::pids};
/// The name in cgroup v2's files; v1 says "blkio" for io.
std::string_view controller_name(Controller controller);
/// The controller that enforces a kind of limit; none for settings of the process itself (nice, …).
std::optional<Controller> controller_of(LimitKind kind);
/// All that these limits take.
std::set<Controller> controllers_of(const std::vector<Limit>& limits);

enum class Dialect { v2, v1 };

/// One mounted cgroup hierarchy and where we stand in it.
struct Hierarchy {
  Dialect dialect = Dialect::v2;
  std::vector<std::string> names;  ///< v1: controllers and "name=systemd"; v2: the root's cgroup.controllers
  std::string mount_point;
  std::string mount_root;  ///< the cgroup that the mount point shows ("/" outside containers)
  std::string self;        ///< our own cgroup, from /proc/self/cgroup
  bool read_only = false;

  bool has(Controller controller) const;
  /// The folder of a cgroup path of this hierarchy; nullopt when the mount does not show it.
  std::optional<std::string> folder(const std::string& cgroup_path) const;
};

/// What kind of machine this is, for placing workloads. Probed once a command, without side effects.
struct Host {
  enum class Kind { unified, hybrid, legacy, none };
  Kind kind = Kind::none;
  std::vector<Hierarchy> hierarchies;
  bool systemd = false;  ///< PID 1 is systemd (sd_booted(3): /run/systemd/system exists)
  uid_t uid = 0;
  std::string trouble;  ///< why kind is none, or empty

  const Hierarchy* unified() const;
  /// Each controller lives in exactly one hierarchy.
  const Hierarchy* of(Controller controller) const;
};
std::string_view host_kind_name(Host::Kind kind);

/// Where the probe looks; tests give folders of their own.
struct HostPaths {
  std::string mountinfo = "/proc/self/mountinfo";
  std::string self_cgroup = "/proc/self/cgroup";
  std::string systemd_booted = "/run/systemd/system";
};
Host probe_host(const HostPaths& paths = {});

}  // namespace ffrtmp
