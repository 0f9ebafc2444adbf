#pragma once

#include <sys/types.h>

#include <string>
#include <vector>

#include "sys/fd.h"
#include "sys/json.h"
#include "sys/result.h"

namespace ffrtmp {

/// A running ffrtmp-systemd: the process with which a scope was made. A scope lives as long as something is
/// in it, so this one stays until the first workload has moved in. Ends (and is waited for) when destroyed.
class ScopeKeeper {
 public:
  ScopeKeeper() = default;
  ScopeKeeper(pid_t pid, Fd hold) : pid_(pid), hold_(std::move(hold)) {}
  ScopeKeeper(ScopeKeeper&& other) noexcept
      : pid_(std::exchange(other.pid_, 0)), hold_(std::move(other.hold_)) {}
  ScopeKeeper& operator=(ScopeKeeper&& other) noexcept;
  ~ScopeKeeper() { release(); }

  pid_t pid() const { return pid_; }
  void release();

 private:
  pid_t pid_ = 0;
  Fd hold_;  ///< our end of its standard input: it leaves at end of file, also when we are killed
};

/// The path of ffrtmp-systemd: beside us in the build tree, in libexec once installed. Errors: not installed.
Result<std::string> systemd_helper();

/// Asks a service manager, through ffrtmp-systemd, for a delegated scope with that process in it.
/// `manager` is "--system" or "--user". Errors: the helper is not installed; the manager's answer, worded by
/// it.
Result<ScopeKeeper> start_scope(const std::string& manager, const std::string& scope,
                                const std::string& slice);

/// Has a service manager move a process of ours into a leaf ("/NAME") of a scope, from where we may not move
/// it.
Status attach_to_scope(const std::string& manager, const std::string& scope, const std::string& leaf,
                       pid_t pid);

/// Asks a manager ("--system", "--user", or as root "--user=UID") to move a process into a unit, `below` "/"
/// or a path below it. systemd does so only for delegated units.
Status attach_to_unit(const std::string& manager, const std::string& unit, const std::string& below,
                      pid_t pid);

/// Properties of a unit, as JSON: numbers, strings, arrays of bytes, arrays of [text, number]. Names that the
/// helper does not know, or the unit does not have, are errors.
Result<Json> unit_properties(const std::string& manager, const std::string& unit,
                             const std::vector<std::string>& names);
/// SetUnitProperties, for this boot only; an array of [name, value] in the order given.
Status set_unit_properties(const std::string& manager, const std::string& unit, const Json& properties);
/// FreezeUnit or ThawUnit (systemd 246, cgroup v2). Returns when it is so.
Status freeze_unit(const std::string& manager, const std::string& unit, bool frozen);

/// A descriptor whose writes go to the journal under `identifier` (sd_journal_stream_fd(3), through the
/// helper).
Result<Fd> open_journal_stream(const std::string& identifier);

}  // namespace ffrtmp
