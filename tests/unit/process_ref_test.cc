#include "proc/process_ref.h"

#include <doctest/doctest.h>
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

using namespace ffrtmp;

namespace {
/// A process that does nothing until it is told to end.
struct Sleeper {
  pid_t pid = ::fork();
  Sleeper() {
    if (pid == 0) {
      for (;;) ::pause();
    }
  }
  ~Sleeper() { end(); }
  void kill_only() const { ::kill(pid, SIGKILL); }
  void end() {
    if (pid <= 0) return;
    kill_only();
    ::waitpid(std::exchange(pid, 0), nullptr, 0);
  }
};
}  // namespace

TEST_CASE("a process is known again by its identity and by nothing less") {
  Sleeper sleeper;
  const auto ref = ProcessRef::open(sleeper.pid);
  REQUIRE(ref.has_value());
  const ProcessIdentity identity = ref->identity();
  CHECK(identity.pid == sleeper.pid);
  CHECK(identity.start_ticks > 0);
  CHECK(identity.boot_id == boot_id());
  CHECK_FALSE(boot_id().empty());
  CHECK(ProcessRef::open(identity).has_value());
  CHECK(is_alive(identity));

  for (auto other : {ProcessIdentity{identity.pid, identity.start_ticks + 1, identity.boot_id},
                     ProcessIdentity{identity.pid, identity.start_ticks, "another boot"},
                     ProcessIdentity{identity.pid, identity.start_ticks, ""},
                     ProcessIdentity{0, identity.start_ticks, identity.boot_id},
                     ProcessIdentity{-1, identity.start_ticks, identity.boot_id},
                     ProcessIdentity{::getpid(), identity.start_ticks + 1, identity.boot_id}}) {
    const auto opened = ProcessRef::open(other);
    REQUIRE_FALSE(opened.has_value());
    CHECK(opened.error().errnum == ESRCH);
    CHECK_FALSE(is_alive(other));
  }
}

TEST_CASE("a process that has ended is gone, also while it waits to be reaped") {
  Sleeper sleeper;
  const auto held = ProcessRef::open(sleeper.pid);
  REQUIRE(held.has_value());
  CHECK(held->alive());
  sleeper.kill_only();
  siginfo_t info{};
  REQUIRE(::waitid(P_PID, static_cast<id_t>(sleeper.pid), &info, WEXITED | WNOWAIT) == 0);  // a zombie now
  CHECK_FALSE(held->alive());
  CHECK_FALSE(is_alive(held->identity()));
  const auto zombie = ProcessRef::open(sleeper.pid);
  REQUIRE_FALSE(zombie.has_value());
  CHECK(zombie.error().errnum == ESRCH);
  const pid_t pid = sleeper.pid;
  sleeper.end();
  const auto gone = ProcessRef::open(pid);
  REQUIRE_FALSE(gone.has_value());
  CHECK(gone.error().errnum == ESRCH);
  CHECK(gone.error().message().find(std::to_string(pid)) != std::string::npos);
  const auto late = held->signal(SIGTERM);
  REQUIRE_FALSE(late.has_value());
  CHECK(late.error().errnum == ESRCH);
}

TEST_CASE("a signal goes to the process that is held") {
  Sleeper sleeper;
  const auto ref = ProcessRef::open(sleeper.pid);
  REQUIRE(ref->signal(SIGUSR1).has_value());
  int status = 0;
  REQUIRE(::waitpid(sleeper.pid, &status, 0) == sleeper.pid);
  sleeper.pid = 0;
  CHECK(WIFSIGNALED(status));
  CHECK(WTERMSIG(status) == SIGUSR1);
}

TEST_CASE("numbers that are no process are refused") {
  for (const pid_t pid : {0, -1, 0x7ffffff0}) CHECK_FALSE(ProcessRef::open(pid).has_value());
}

TEST_CASE("how a process ended is told by a pidfd that was held, where the kernel does that") {
  const pid_t child = ::fork();
  if (child == 0) ::_exit(42);
  // Held while it lives or is a zombie; PIDFD_GET_INFO answers after the reaping.
  const Fd pidfd = [&] {
    auto copy = ProcessRef::open(::getpid());
    REQUIRE(copy.has_value());
    CHECK_FALSE(exit_status_of(copy->pidfd()).has_value());  // we live
    return Fd(static_cast<int>(::syscall(434 /* pidfd_open */, child, 0)));
  }();
  REQUIRE(pidfd);
  int status = 0;
  REQUIRE(::waitpid(child, &status, 0) == child);
  const auto told = exit_status_of(pidfd.get());
  if (told)
    CHECK(*told == status);
  else
    MESSAGE("this kernel (before 6.15) does not tell: exit_status_of gives nothing");
  CHECK_FALSE(exit_status_of(-1).has_value());
}
