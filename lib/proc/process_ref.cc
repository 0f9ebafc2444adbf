#include "proc/process_ref.h"

#include <poll.h>
#include <signal.h>
#include <sys/ioctl.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <cstring>

#include "proc/procfs.h"
#include "sys/file.h"
#include "sys/text.h"

namespace ffrtmp {

const std::string& boot_id() {
  static const std::string id = [] {
    const auto text = read_file("/proc/sys/kernel/random/boot_id");
    return text ? std::string(trim(*text)) : std::string();
  }();
  return id;
}

namespace {

bool ended(int pidfd) {
  pollfd waiting{pidfd, POLLIN, 0};
  return ::poll(&waiting, 1, 0) > 0;
}

}  // namespace

Result<ProcessRef> ProcessRef::open(pid_t pid) {
  // The order is the point: first hold the process, then read who it is, then see that it still lives. If the
  // PID had changed hands in between, the held one would be dead by now.
  Fd pidfd(static_cast<int>(::syscall(SYS_pidfd_open, pid, 0)));
  if (!pidfd) return sys_error("opening process", std::to_string(pid));
  auto ref = adopt_child(pid, std::move(pidfd));
  if (ref && !ref->alive()) return sys_error("opening process", std::to_string(pid), ESRCH);
  return ref;
}

Result<ProcessRef> ProcessRef::open(const ProcessIdentity& identity) {
  const auto gone = [&] { return sys_error("opening process", std::to_string(identity.pid), ESRCH); };
  if (identity.pid <= 0 || identity.boot_id != ffrtmp::boot_id()) return gone();
  auto ref = open(identity.pid);
  if (ref && ref->identity() != identity) return gone();
  return ref;
}

Result<ProcessRef> ProcessRef::adopt_child(pid_t pid, Fd pidfd) {
  TRY(const std::string text, read_file("/proc/" + std::to_string(pid) + "/stat"));
  const auto stat = parse_stat(text);
  if (!stat) return bad_input("cannot read the start time of process", std::to_string(pid));
  return ProcessRef({pid, stat->start_ticks, ffrtmp::boot_id()}, std::move(pidfd));
}

bool ProcessRef::alive() const { return !ended(pidfd_.get()); }

Status ProcessRef::signal(int number) const {
  if (::syscall(SYS_pidfd_send_signal, pidfd_.get(), number, nullptr, 0) != 0)
    return sys_error(std::string("sending SIG") + (sigabbrev_np(number) ?: "?") + " to process",
                     std::to_string(pid()));
  return {};
}

bool is_alive(const ProcessIdentity& identity) { return ProcessRef::open(identity).has_value(); }

namespace {

/// struct pidfd_info of <linux/pidfd.h> 6.15; Debian 12's headers do not have it yet.
struct PidfdInfo {
  uint64_t mask;
  uint64_t cgroupid;
  uint32_t pid, tgid, ppid;
  uint32_t ruid, rgid, euid, egid, suid, sgid, fsuid, fsgid;
  int32_t exit_code;
};
constexpr uint64_t kPidfdInfoExit = 1u << 3;
static_assert(sizeof(PidfdInfo) == 64, "PIDFD_INFO_SIZE_VER0");

}  // namespace

std::optional<int> exit_status_of(int pidfd, Duration patience) {
  const auto ask = [&]() -> std::optional<int> {
    PidfdInfo info{};
    info.mask = kPidfdInfoExit;
    if (::ioctl(pidfd, _IOWR(0xFF, 11, PidfdInfo), &info) != 0 || (info.mask & kPidfdInfoExit) == 0)
      return std::nullopt;
    return info.exit_code;
  };
  if (auto status = ask()) return status;
  // A pidfd is readable from the moment of death; its exit is told once the parent has reaped it (POLLHUP).
  pollfd waiting{pidfd, 0, 0};
  const auto wait_ms = std::chrono::duration_cast<std::chrono::milliseconds>(patience).count();
  return ::poll(&waiting, 1, static_cast<int>(wait_ms)) > 0 && (waiting.revents & POLLHUP) ? ask()
                                                                                           : std::nullopt;
}

}  // namespace ffrtmp
