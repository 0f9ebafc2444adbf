#include "types/step_io.h"

#include <fcntl.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/signalfd.h>
#include <unistd.h>

#include <algorithm>

namespace ffrtmp {

namespace {
constexpr int kStops[] = {SIGINT, SIGTERM, SIGHUP};
}

Result<Fd> memory_file(const char* name) {
  Fd fd(::memfd_create(name, MFD_CLOEXEC));
  if (!fd) return sys_error("making a file in memory", "");
  ::fcntl(fd.get(), F_SETFL, O_APPEND);
  return fd;
}

std::string tail_of(int fd, size_t limit) {
  const off_t size = ::lseek(fd, 0, SEEK_END);
  const off_t from = std::max<off_t>(0, size - static_cast<off_t>(limit));
  std::string out(static_cast<size_t>(std::max<off_t>(0, size - from)), '\0');
  const ssize_t got = ::pread(fd, out.data(), out.size(), from);
  out.resize(got > 0 ? static_cast<size_t>(got) : 0);
  out.erase(0, std::min(out.find_first_not_of('\0'), out.size()));
  return out;
}

Result<Fd> stop_signals() {
  sigset_t set;
  sigemptyset(&set);
  for (const int number : kStops) sigaddset(&set, number);
  // The wrapper above may have set SIGHUP to be ignored: that stays, an ignored signal never arrives here.
  if (::sigprocmask(SIG_BLOCK, &set, nullptr) != 0) return sys_error("blocking signals", "");
  Fd fd(::signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK));
  if (!fd) return sys_error("watching signals", "");
  return fd;
}

}  // namespace ffrtmp
