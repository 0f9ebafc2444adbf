#include "proc/terminal.h"

#include <fcntl.h>
#include <unistd.h>

namespace ffrtmp {

Terminal Terminal::open() {
  Terminal out;
  out.fd_ = Fd(::open("/dev/tty", O_RDWR | O_CLOEXEC | O_NOCTTY));
  return out;
}

bool Terminal::ours() const { return fd_ && ::tcgetpgrp(fd_.get()) == ::getpgrp(); }

void Terminal::give(pid_t group) const {
  if (fd_) ::tcsetpgrp(fd_.get(), group);
}

void Terminal::take_back(pid_t group) const {
  if (fd_ && ::tcgetpgrp(fd_.get()) == group) ::tcsetpgrp(fd_.get(), ::getpgrp());
}

}  // namespace ffrtmp
