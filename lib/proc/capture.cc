#include "proc/capture.h"

#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>

#include "proc/child.h"
#include "sys/clock.h"
#include "sys/file.h"
#include "sys/text.h"

namespace ffrtmp {

namespace {

struct Pipe {
  Fd read, write;
};
Result<Pipe> make_pipe() {
  int ends[2];
  if (::pipe2(ends, O_CLOEXEC) != 0) return sys_error("making a pipe", "");
  return Pipe{Fd(ends[0]), Fd(ends[1])};
}

}  // namespace

std::string Captured::complaint() const {
  std::string last;
  for (const auto line : lines(err))
    if (!trim(line).empty()) last = trim(line);
  return last;
}

Result<Captured> capture(const std::vector<std::string>& argv, Duration patience, size_t limit) {
  TRY(Pipe out, make_pipe());
  TRY(Pipe err, make_pipe());
  TRY(const Fd nothing, open_at(AT_FDCWD, "/dev/null", O_RDONLY));
  TRY(const Child child, start_child(argv, {nothing.get(), out.write.get(), err.write.get()}));
  out.write.reset();
  err.write.reset();

  Captured done;
  const Duration deadline = monotonic_now() + patience;
  pollfd waiting[2] = {{out.read.get(), POLLIN, 0}, {err.read.get(), POLLIN, 0}};
  std::string* texts[2] = {&done.out, &done.err};
  while (waiting[0].fd >= 0 || waiting[1].fd >= 0) {
    const Duration left = deadline - monotonic_now();
    const auto ms = std::chrono::duration_cast<std::chrono::milliseconds>(left).count();
    if (ms <= 0) {
      done.timed_out = true;
      ::kill(child.pid, SIGKILL);  // our own child, not yet waited for: the number is still its
      break;
    }
    if (::poll(waiting, 2, static_cast<int>(std::min<int64_t>(ms, 60'000))) < 0 && errno != EINTR) break;
    for (int i = 0; i < 2; i++) {
      if (waiting[i].fd < 0 || !(waiting[i].revents & (POLLIN | POLLHUP | POLLERR))) continue;
      char block[65536];
      const ssize_t got = ::read(waiting[i].fd, block, sizeof block);
      if (got < 0 && errno == EINTR) continue;
      if (got <= 0)
        waiting[i].fd = -1;
      else
        texts[i]->append(block,
                         std::min(static_cast<size_t>(got), limit - std::min(limit, texts[i]->size())));
    }
  }
  while (::waitpid(child.pid, &done.wait_status, 0) < 0 && errno == EINTR) {
  }
  return done;
}

}  // namespace ffrtmp
