// For LD_PRELOAD: the wall clock of the process is moved by as many seconds as the file FFRTMP_WALL_SHIFT
// says at that moment; its other clocks are the kernel's.
#include <fcntl.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <cstdlib>
#include <ctime>

namespace {
long shift() {
  static const int fd = [] {
    const char* path = getenv("FFRTMP_WALL_SHIFT");
    return path == nullptr ? -1 : open(path, O_RDONLY | O_CLOEXEC);
  }();
  char text[32] = {};
  return fd >= 0 && pread(fd, text, sizeof text - 1, 0) > 0 ? atol(text) : 0;
}
}  // namespace

extern "C" int clock_gettime(clockid_t id, timespec* out) noexcept {
  const long code = syscall(SYS_clock_gettime, id, out);
  if (code == 0 && id == CLOCK_REALTIME) out->tv_sec += shift();
  return static_cast<int>(code);
}
