#include "jobs/stop.h"

#include <poll.h>
#include <signal.h>

#include <algorithm>

#include "proc/family.h"
#include "proc/procfs.h"
#include "sys/clock.h"
#include "sys/file.h"

namespace ffrtmp {

std::string_view stop_step_name(StopStep step) {
  switch (step) {
    case StopStep::ended_already: return "it had ended already";
    case StopStep::interrupted: return "ended on SIGINT";
    case StopStep::terminated: return "ended on SIGTERM";
    case StopStep::killed: return "ended by SIGKILL";
    case StopStep::refused: return "still runs";
  }
  return "";
}

namespace {

using namespace std::chrono_literals;

bool has_leaf(const StopTarget& target) { return target.leaf && !target.leaf->dirs.empty(); }

/// Every process of the job: those in its cgroup, or else those of the session or group that its first
/// process leads.
std::vector<pid_t> members(const StopTarget& target) {
  return has_leaf(target) ? target.leaf->processes() : family_of(target.workload->pid());
}

/// Bytes that its processes have written anywhere, also into the page cache; grows while a file is being
/// finished. (The first process may only wait for the one that writes.)
uint64_t bytes_written(const StopTarget& target) {
  auto pids = members(target);
  if (std::ranges::find(pids, target.workload->pid()) == pids.end()) pids.push_back(target.workload->pid());
  uint64_t sum = 0;
  for (const pid_t pid : pids) {
    const auto text = read_file("/proc/" + std::to_string(pid) + "/io");
    sum += text ? colon_value(*text, "wchar").value_or(0) : 0;
  }
  return sum;
}

/// Each process of the target once, through a pidfd that was opened while it was a member.
Status signal_all(const StopTarget& target, int number) {
  Status first;
  if (target.workload->alive()) first = target.workload->signal(number);
  for (const pid_t pid : members(target)) {
    if (pid == target.workload->pid()) continue;
    const auto process = ProcessRef::open(pid);
    if (!process) continue;
    const auto still = members(target);
    if (std::ranges::find(still, pid) != still.end()) (void)process->signal(number);
  }
  return first;
}

bool any_left(const StopTarget& target) {
  return target.workload->alive() || (has_leaf(target) ? target.leaf->populated() : !members(target).empty());
}

/// Waits until nothing is left or `grace` has passed without progress on the files. True when nothing is
/// left.
bool wait_for_end(const StopTarget& target, Duration grace) {
  // A file of hours takes minutes to finish (-movflags faststart writes it a second time); never for ever.
  constexpr Duration kLongest = 15min;
  const Duration begin = monotonic_now();
  Duration deadline = begin + grace;
  uint64_t written = bytes_written(target);
  while (any_left(target)) {
    pollfd waiting{target.workload->pidfd(), POLLIN, 0};
    if (!target.workload->alive()) waiting.fd = -1;  // only children of it are left: look again soon
    ::poll(&waiting, 1, 50);
    const Duration now = monotonic_now();
    if (now < deadline) continue;
    const uint64_t grown = bytes_written(target);
    // Processes that have ended since are no longer in the sum.
    if (!target.finishes_files || grown <= written || now - begin > kLongest) return !any_left(target);
    written = grown;
    deadline = now + grace;
  }
  return true;
}

}  // namespace

Result<StopStep> stop_workload(const StopTarget& target, Duration grace) {
  if (!any_left(target)) return StopStep::ended_already;
  if (auto sent = signal_all(target, SIGINT); !sent && sent.error().errnum != ESRCH)
    return std::unexpected(sent.error());
  if (wait_for_end(target, grace)) return StopStep::interrupted;
  (void)signal_all(target, SIGTERM);
  StopTarget impatient = target;
  impatient.finishes_files = false;
  if (wait_for_end(impatient, grace)) return StopStep::terminated;
  if (has_leaf(target))
    TRY_OK(target.leaf->kill());
  else
    (void)signal_all(target, SIGKILL);
  return wait_for_end(impatient, grace) ? StopStep::killed : StopStep::refused;
}

}  // namespace ffrtmp
