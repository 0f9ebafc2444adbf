#include "types/child.h"

#include <fcntl.h>
#include <signal.h>
#include <spawn.h>
#include <sys/mman.h>
#include <sys/signalfd.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <algorithm>
#include <optional>

#include "proc/spawn.h"

extern char** environ;

namespace ffrtmp {

namespace {
constexpr int kStops[] = {SIGINT, SIGTERM, SIGHUP};
}

Result<Child> start_child(const std::vector<std::string>& argv, const ChildStreams& streams) {
  std::vector<std::string> environment;
  for (char** variable = environ; *variable; variable++) environment.emplace_back(*variable);
  TRY(const std::string program, find_program(argv[0], environment, std::nullopt));
  posix_spawn_file_actions_t actions;
  posix_spawnattr_t attributes;
  ::posix_spawn_file_actions_init(&actions);
  ::posix_spawnattr_init(&attributes);
  sigset_t none;
  sigemptyset(&none);
  ::posix_spawnattr_setsigmask(&attributes, &none);
  ::posix_spawnattr_setflags(&attributes, POSIX_SPAWN_SETSIGMASK);
  if (streams.in >= 0) ::posix_spawn_file_actions_adddup2(&actions, streams.in, STDIN_FILENO);
  if (streams.out >= 0) ::posix_spawn_file_actions_adddup2(&actions, streams.out, STDOUT_FILENO);
  if (streams.err >= 0) ::posix_spawn_file_actions_adddup2(&actions, streams.err, STDERR_FILENO);
  std::vector<char*> words;
  for (const auto& word : argv) words.push_back(const_cast<char*>(word.c_str()));
  words.push_back(nullptr);
  Child child;
  const int failed = ::posix_spawn(&child.pid, program.c_str(), &actions, &attributes, words.data(), environ);
  ::posix_spawn_file_actions_destroy(&actions);
  ::posix_spawnattr_destroy(&attributes);
  if (failed) return sys_error("starting", program, failed);
  child.pidfd = Fd(static_cast<int>(::syscall(SYS_pidfd_open, child.pid, 0)));
  if (!child.pidfd) return sys_error("watching", program);
  return child;
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
