#pragma once

#include <sys/types.h>

#include <optional>
#include <string>

#include "sys/fd.h"
#include "sys/result.h"
#include "sys/units.h"

namespace ffrtmp {

/// What tells one process from every other, also after its PID was given to a stranger or the host was
/// restarted.
struct ProcessIdentity {
  pid_t pid = 0;
  uint64_t start_ticks = 0;  ///< field 22 of /proc/PID/stat
  std::string boot_id;       ///< /proc/sys/kernel/random/boot_id
  bool operator==(const ProcessIdentity&) const = default;
};

/// The boot id of this kernel; empty when /proc does not tell.
const std::string& boot_id();

/// A living process behind a pidfd. Whoever acts on a process does it through one of these; a number alone is
/// never enough to signal, move or limit anything. Move-only.
class ProcessRef {
 public:
  /// Opens the process that bears `pid` now. ESRCH when there is none; zombies count as gone.
  static Result<ProcessRef> open(pid_t pid);
  /// Opens the process only if it is still the one recorded; ESRCH otherwise.
  static Result<ProcessRef> open(const ProcessIdentity& identity);
  /// A child that was just cloned with CLONE_PIDFD and has not been waited for.
  static Result<ProcessRef> adopt_child(pid_t pid, Fd pidfd);

  const ProcessIdentity& identity() const { return identity_; }
  pid_t pid() const { return identity_.pid; }
  int pidfd() const { return pidfd_.get(); }
  /// False once the process has ended (all of its threads), whether or not it was waited for.
  bool alive() const;
  /// pidfd_send_signal(2): cannot hit a stranger.
  Status signal(int number) const;

 private:
  ProcessRef(ProcessIdentity identity, Fd pidfd) : identity_(std::move(identity)), pidfd_(std::move(pidfd)) {}
  ProcessIdentity identity_;
  Fd pidfd_;
};

/// True while the recorded process lives.
bool is_alive(const ProcessIdentity& identity);

/// How a process ended, told by the kernel to whoever held a pidfd (PIDFD_GET_INFO with PIDFD_INFO_EXIT,
/// kernel 6.15); nullopt on older kernels. The value is a wait status. It is told once the parent has waited
/// for the process, for which there is so much patience.
std::optional<int> exit_status_of(int pidfd, Duration patience = std::chrono::milliseconds(500));

}  // namespace ffrtmp
