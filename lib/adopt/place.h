#pragma once

#include <sys/types.h>

#include <string>

namespace ffrtmp {

/// Whose place a cgroup is, as far as its path tells. Pure: no look at the kernel.
struct Place {
  enum class Kind {
    root,       ///< the top of the hierarchy: nobody's
    plain,      ///< a cgroup of nobody that we know
    unit,       ///< a systemd unit, or a cgroup below one
    session,    ///< a login session
    container,  ///< a container runtime's
    ours,       ///< a job of ffrtmp
  };
  Kind kind = Kind::root;
  std::string path;   ///< as /proc/PID/cgroup gives it
  bool user = false;  ///< the unit is a user manager's, that of `uid`
  uid_t uid = 0;
  std::string unit;   ///< "x.service"; for sessions and containers too, where there is one
  std::string below;  ///< what lies between the unit and the process: "" or "/a/b"
  std::string name;   ///< container: the runtime ("docker"); ours: the job

  /// What ffrtmp-systemd takes to find the unit's manager.
  std::string manager() const { return user ? "--user=" + std::to_string(uid) : "--system"; }
};

/// Sources: systemd.unit(5), "systemd-cgls"; the cgroup names of docker, podman, containerd, CRI-O, LXC and
/// systemd-nspawn.
Place place_of(const std::string& cgroup_path);

/// One phrase: "unit x.service of the system", "login session session-3.scope".
std::string describe(const Place& place);

}  // namespace ffrtmp
