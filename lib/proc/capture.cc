#include "proc/capture.h"

#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <spawn.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>

#include "proc/spawn.h"
#include "sys/clock.h"
#include "sys/fd.h"
#include "sys/text.h"

extern char** environ;

namespace ffrtmp {

namespace {

std::vector<std::string> own_environment() {
  std::vector<std::string> out;
  for (char** variable = environ; *variable; variable++) out.emplace_back(*variable);
  return out;
}

struct Pipe {
  Fd read, write;
};
Result<Pipe> make_pipe() {
  int ends[2];
  if (::pipe2(ends, O_CLOEXEC) != 0) return sys_error("making a pipe", "");
  return Pipe{Fd(ends[0]), Fd(ends[1])};
}

/// The attributes and actions of a spawn, freed together.
struct SpawnSetup {
  posix_spawn_file_actions_t actions;
  posix_spawnattr_t attributes;
  SpawnSetup() {
    ::posix_spawn_file_actions_init(&actions);
    ::posix_spawnattr_init(&attributes);
    // Signals that we block or ignore are no business of a helper's.
    sigset_t none, usual;
    sigemptyset(&none);
    sigemptyset(&usual);
    for (const int number : {SIGPIPE, SIGINT, SIGTERM, SIGHUP, SIGCHLD}) sigaddset(&usual, number);
    ::posix_spawnattr_setsigmask(&attributes, &none);
    ::posix_spawnattr_setsigdefault(&attributes, &usual);
    ::posix_spawnattr_setflags(&attributes, POSIX_SPAWN_SETSIGMASK | POSIX_SPAWN_SETSIGDEF);
  }
  ~SpawnSetup() {
    ::posix_spawn_file_actions_destroy(&actions);
    ::posix_spawnattr_destroy(&attributes);
  }
};

}  // namespace

std::string Captured::complaint() const {
  std::string last;
  for (const auto line : lines(err))
    if (!trim(line).empty()) last = trim(line);
  return last;
}

Result<Captured> capture(const std::vector<std::string>& argv, Duration patience, size_t limit) {
  TRY(const std::string program, find_program(argv[0], own_environment(), std::nullopt));
  TRY(Pipe out, make_pipe());
  TRY(Pipe err, make_pipe());
  SpawnSetup setup;
  ::posix_spawn_file_actions_addopen(&setup.actions, STDIN_FILENO, "/dev/null", O_RDONLY, 0);
  ::posix_spawn_file_actions_adddup2(&setup.actions, out.write.get(), STDOUT_FILENO);
  ::posix_spawn_file_actions_adddup2(&setup.actions, err.write.get(), STDERR_FILENO);
  std::vector<char*> words;
  for (const auto& word : argv) words.push_back(const_cast<char*>(word.c_str()));
  words.push_back(nullptr);
  pid_t pid = -1;
  if (const int failed =
          ::posix_spawn(&pid, program.c_str(), &setup.actions, &setup.attributes, words.data(), environ))
    return sys_error("starting", program, failed);
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
      ::kill(pid, SIGKILL);  // our own child, not yet waited for: the number is still its
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
  while (::waitpid(pid, &done.wait_status, 0) < 0 && errno == EINTR) {
  }
  return done;
}

}  // namespace ffrtmp
