#pragma once

#include <sys/types.h>

#include "sys/fd.h"

namespace ffrtmp {

/// The controlling terminal of this process, for handing its foreground to a workload and taking it back.
/// Keys (Ctrl-C, Ctrl-Z, FFmpeg's q) then reach the workload alone. Source: termios(3), setpgid(2), the job
/// control chapter of the glibc manual.
class Terminal {
 public:
  /// Opens /dev/tty; without a controlling terminal every call below does nothing.
  static Terminal open();
  explicit operator bool() const { return static_cast<bool>(fd_); }
  int fd() const { return fd_.get(); }
  /// Whether our own process group holds the foreground.
  bool ours() const;
  /// Gives the foreground to a group. SIGTTOU must be blocked or ignored (it is, see observe.cc).
  void give(pid_t group) const;
  /// Takes it back if `group` holds it.
  void take_back(pid_t group) const;

 private:
  Fd fd_;
};

}  // namespace ffrtmp
