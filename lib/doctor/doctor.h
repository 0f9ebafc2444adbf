#pragma once

#include <functional>
#include <vector>

#include "cgroup/host.h"
#include "doctor/fact.h"

namespace ffrtmp {

/// Looks at everything on this host that a job depends on, and hands each fact over as soon as it is known.
/// Changes nothing: no cgroup is made, no scope asked for, no file written. With `encoders`, each is tried by
/// a real encode of a few frames, which takes seconds.
void examine(const Host& host, bool encoders, const std::function<void(const Fact&)>& tell);

// By subject; each in its own file. Those that take what was found out as arguments are pure.

std::vector<Fact> hierarchy_facts(const Host& host);

/// What the service manager gives a normal user, or the system gives root.
struct Delegation {
  uid_t uid = 0;
  bool systemd = false;
  bool manager = false;                  ///< a service manager of the user's answers
  bool lingers = false;                  ///< jobs outlive the last login
  bool own_subtree = false;              ///< we stand in a cgroup that is delegated to us
  std::vector<std::string> controllers;  ///< that are to be had there (v2)
  std::vector<std::string> of_host;      ///< that v2 has at all on this host
  bool v1_cpuset = false;                ///< which systemd does not manage
  std::string why_none;                  ///< why there is no place for cgroups at all
  std::string user;                      ///< name
};
Delegation find_delegation(const Host& host);
std::vector<Fact> delegation_facts(const Delegation& found);

std::vector<Fact> base_facts(const Host& host);

/// `version` of systemctl --version, 0 when it cannot be told.
Fact systemd_fact(bool booted, int version, const std::string& first_process);
Fact find_systemd(const Host& host);
/// The number in the first line of `systemctl --version` ("systemd 252 (252.39-1~deb12u1)"); 0 for none.
int systemd_version(std::string_view text);

Fact pressure_fact();
Fact autogroup_fact(bool enabled, bool cpu_cgroup);
Fact find_autogroup(const Host& host);

/// A user's thread under a real-time policy.
struct RealtimeThread {
  pid_t pid = 0, tid = 0;
  std::string comm, cgroup;  ///< its v2 path
};
/// Whether kernel code refuses the cpu controller to cgroups that hold real-time threads.
enum class RealtimeGroups { no, yes, unknown };
/// `enabled`: the cpu controller is in use already for the top's children, so that the refusal cannot come.
Fact realtime_fact(RealtimeGroups groups, bool cpu_on_v2, bool enabled,
                   const std::vector<RealtimeThread>& threads);
Fact find_realtime(const Host& host);

Fact io_weight_fact(const Host& host);
std::vector<Fact> kernel_facts(const Host& host);
std::vector<Fact> engine_facts(bool encoders);

/// What adjtimex(2) tells: `known` false where it is refused.
Fact clock_fact(bool known, bool synchronised, bool systemd);
Fact find_clock(const Host& host);

Fact state_folder_fact();

}  // namespace ffrtmp
