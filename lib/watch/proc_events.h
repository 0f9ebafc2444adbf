#pragma once

#include <sys/types.h>

#include <vector>

#include "sys/fd.h"
#include "sys/result.h"

namespace ffrtmp {

/// The kernel's announcements of programs that start, everywhere on the host: the proc connector
/// (Documentation/driver-api/connector.rst, <linux/cn_proc.h>). A filter in the kernel drops all that is no
/// exec, so that forks and ends wake nobody.
class ProcEvents {
 public:
  /// Errors: no right to listen (it takes CAP_NET_ADMIN), or not heard here: the kernel speaks only to the
  /// first network, PID and user namespace, and says nothing at all to the others.
  static Result<ProcEvents> open();
  int fd() const { return fd_.get(); }
  struct News {
    std::vector<pid_t> started;  ///< processes (not threads) that have executed a program
    bool lost = false;           ///< there were more than the socket held: look at all that runs
  };
  /// What has happened since, as much as fits; call it until both are empty. Does not wait.
  News read();

 private:
  explicit ProcEvents(Fd fd) : fd_(std::move(fd)) {}
  Fd fd_;
};

}  // namespace ffrtmp
