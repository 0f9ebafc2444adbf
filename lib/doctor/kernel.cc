#include <fcntl.h>
#include <linux/sched.h>
#include <signal.h>
#include <sys/syscall.h>
#include <sys/utsname.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>

#include "cgroup/kernel_files.h"
#include "doctor/doctor.h"
#include "proc/process_ref.h"
#include "sys/file.h"
#include "sys/text.h"

namespace ffrtmp {

namespace {

/// Features are tried, not inferred from a version: kernels are patched, and sandboxes refuse calls.

bool has_pidfd() {
  const Fd fd(static_cast<int>(::syscall(SYS_pidfd_open, ::getpid(), 0)));
  return static_cast<bool>(fd);
}

/// clone3 with a descriptor that is no cgroup: a kernel that can do it answers EBADF, and nothing is started.
/// ENOSYS or EPERM: it cannot, or a sandbox forbids it.
int clone_into_cgroup_error() {
  const Fd null(::open("/dev/null", O_RDONLY | O_CLOEXEC));
  clone_args arguments{};
  arguments.flags = CLONE_INTO_CGROUP;
  arguments.exit_signal = SIGCHLD;
  arguments.cgroup = static_cast<uint64_t>(null.get());
  const long pid = ::syscall(SYS_clone3, &arguments, sizeof arguments);
  if (pid == 0) ::_exit(0);  // no kernel does
  if (pid > 0) {
    ::waitpid(static_cast<pid_t>(pid), nullptr, 0);
    return 0;
  }
  return errno == EBADF ? 0 : errno;
}

/// PIDFD_INFO_EXIT, by a child of ours that has ended.
bool tells_exit() {
  const pid_t pid = ::fork();
  if (pid < 0) return false;
  if (pid == 0) ::_exit(42);
  const Fd pidfd(static_cast<int>(::syscall(SYS_pidfd_open, pid, 0)));
  ::waitpid(pid, nullptr, 0);
  if (!pidfd) return false;
  const auto status = exit_status_of(pidfd.get());
  return status && WIFEXITED(*status) && WEXITSTATUS(*status) == 42;
}

/// Whether any cgroup below the top has this file: the top itself has none of those that we ask for.
std::optional<bool> some_cgroup_has(const Hierarchy& h, const char* file) {
  const auto top = h.folder(h.mount_root);
  const auto dir = top ? open_dir(AT_FDCWD, *top) : sys_error("", "", ENOENT);
  if (!dir) return std::nullopt;
  if (exists_at(dir->get(), file)) return true;  // a container's root has them
  std::optional<bool> found;
  for (const auto& name : folders_in(dir->get())) {
    if (exists_at(dir->get(), name + "/" + file)) return true;
    found = false;
  }
  return found;
}

}  // namespace

std::vector<Fact> kernel_facts(const Host& host) {
  utsname kernel{};
  ::uname(&kernel);
  std::vector<Fact> out;
  std::vector<std::string> there;
  const auto lacks = [&](const std::string& what, const std::string& then) {
    out.push_back({"kernel", Health::lesser, "no " + what + ": " + then, {}});
  };
  if (has_pidfd())
    there.push_back("pidfd_open");
  else
    out.push_back(
        {"kernel",
         Health::bad,
         "no pidfd_open (Linux 5.3, or a sandbox refuses it): attach, stop and set cannot act safely",
         {}});
  if (const int error = clone_into_cgroup_error(); error == 0)
    there.push_back("clone3 into a cgroup");
  else
    lacks("clone3 into a cgroup (" + std::string(strerrordesc_np(error)) + ")",
          "a launch takes some milliseconds longer");
  if (tells_exit())
    there.push_back("exit codes of adopted processes");
  else
    lacks("PIDFD_INFO_EXIT (Linux 6.15)", "how an attached process ended is told to its parent only");
  if (const Hierarchy* h = host.unified()) {
    const bool memory = h->has(Controller::memory);
    const auto file = [&](const char* name, bool applies, const char* since, const char* then) {
      const auto found = applies ? some_cgroup_has(*h, name) : std::nullopt;
      if (!found) return;  // nothing to look at: nothing to say
      if (*found)
        there.push_back(name);
      else
        lacks(std::string(name) + " (Linux " + since + ")", then);
    };
    file(kCgroupKill, true, "5.14", "stop ends stubborn trees one process at a time");
    file(kCgroupFreeze, true, "5.2", "pause is not to be had on v2");
    file(kMemoryPeak, memory, "5.19", "memory peaks are of the largest process");
    file(kMemoryReclaim, memory, "5.19", "set lowers memory limits more slowly");
  }
  if (!there.empty())
    out.insert(out.begin(),
               {"kernel", Health::good, std::string(kernel.release) + ": " + join(there, ", "), {}});
  return out;
}

}  // namespace ffrtmp
