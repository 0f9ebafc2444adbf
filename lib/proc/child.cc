#include "proc/child.h"

#include <signal.h>
#include <spawn.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "proc/spawn.h"
#include "sys/environment.h"

extern char** environ;

namespace ffrtmp {

namespace {

/// The attributes and actions of a posix_spawn, freed together.
struct SpawnSetup {
  posix_spawn_file_actions_t actions;
  posix_spawnattr_t attributes;
  SpawnSetup() {
    ::posix_spawn_file_actions_init(&actions);
    ::posix_spawnattr_init(&attributes);
    sigset_t none, usual;
    sigemptyset(&none);
    sigemptyset(&usual);
    sigaddset(&usual, SIGPIPE);
    ::posix_spawnattr_setsigmask(&attributes, &none);
    ::posix_spawnattr_setsigdefault(&attributes, &usual);
    ::posix_spawnattr_setflags(&attributes, POSIX_SPAWN_SETSIGMASK | POSIX_SPAWN_SETSIGDEF);
  }
  ~SpawnSetup() {
    ::posix_spawn_file_actions_destroy(&actions);
    ::posix_spawnattr_destroy(&attributes);
  }
  SpawnSetup(const SpawnSetup&) = delete;
  SpawnSetup& operator=(const SpawnSetup&) = delete;
};

}  // namespace

Result<Child> start_child(const std::vector<std::string>& argv, const ChildStreams& streams) {
  TRY(const std::string program, find_program(argv[0], own_environment(), std::nullopt));
  SpawnSetup setup;
  const int given[] = {streams.in, streams.out, streams.err};
  for (int stream = 0; stream < 3; stream++)
    if (given[stream] >= 0) ::posix_spawn_file_actions_adddup2(&setup.actions, given[stream], stream);
  std::vector<char*> words;
  for (const auto& word : argv) words.push_back(const_cast<char*>(word.c_str()));
  words.push_back(nullptr);
  Child child;
  const int failed =
      ::posix_spawn(&child.pid, program.c_str(), &setup.actions, &setup.attributes, words.data(), environ);
  if (failed) return sys_error("starting", program, failed);
  child.pidfd = Fd(static_cast<int>(::syscall(SYS_pidfd_open, child.pid, 0)));
  if (!child.pidfd) return sys_error("watching", program);
  return child;
}

}  // namespace ffrtmp
