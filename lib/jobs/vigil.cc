#include "jobs/vigil.h"

#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <sys/inotify.h>
#include <sys/signalfd.h>

#include "jobs/observe.h"
#include "sys/file.h"

namespace ffrtmp {

namespace {

sigset_t leaving_signals() {
  sigset_t set;
  sigemptyset(&set);
  for (const int number : {SIGINT, SIGTERM, SIGHUP, SIGQUIT, SIGUSR1, SIGUSR2, SIGALRM})
    sigaddset(&set, number);
  return set;
}

/// The receipt as it is now: ffrtmp set may have changed it.
void refresh(AdoptedJob& job) {
  if (auto now = job.folder.read_record()) job.record = std::move(*now);
}

Ending base_ending(const AdoptedJob& job) {
  Ending ending;
  ending.ended_at = wall_now();
  ending.duration = monotonic_now() - job.started;
  return ending;
}

Settled settle_end(const Host& host, AdoptedJob& job) {
  refresh(job);
  Settled out;
  out.ending = base_ending(job);
  out.ending.seen = true;
  out.ending.usage = read_usage(job.leaf);
  out.ending.oom = job.oom.judge();
  out.ending.wait_status = exit_status_of(job.process.pidfd());
  out.ending.operator_stopped = exists_at(job.folder.dir(), kStopFile);
  if (job.leaf.ours && !job.leaf.dirs.empty()) {
    constexpr auto kExiting = std::chrono::milliseconds(200);
    if (!job.leaf.wait_until_empty(kExiting)) out.ending.left_behind = job.leaf.processes().size();
  }
  out.verdict = judge(job.record, out.ending);
  out.result = make_result(job.record, out.ending, out.verdict);
  (void)job.folder.write_result(out.result);
  if (out.ending.left_behind == 0) clear_away(host, job.folder);
  return out;
}

/// Whether ffrtmp detach has ended the job.
bool released(const AdoptedJob& job) {
  const auto text = read_file_at(job.folder.dir(), kResultFile);
  const auto json = text ? parse_json(*text, kResultFile) : bad_input("", "");
  return json && text_or(*json, "outcome") == outcome_name(Outcome::detached);
}

Settled let_go(AdoptedJob& job, int number) {
  refresh(job);
  Settled out;
  out.ending = base_ending(job);
  out.ending.detached_by = number;
  out.verdict = judge(job.record, out.ending);
  job.record.observer.reset();
  (void)job.folder.write_record(job.record);
  return out;
}

}  // namespace

int keep_vigil(const Host& host, std::vector<AdoptedJob> jobs, const OnSettled& settled) {
  const sigset_t set = leaving_signals();
  const Fd signals(::signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK));
  const Fd watch(::inotify_init1(IN_CLOEXEC | IN_NONBLOCK));
  for (const auto& job : jobs)
    ::inotify_add_watch(watch.get(), job.folder.path().c_str(), IN_MOVED_TO | IN_ONLYDIR);
  int code = 0;
  shrink();
  while (!jobs.empty()) {
    std::vector<pollfd> waiting{{signals.get(), POLLIN, 0}, {watch.get(), POLLIN, 0}};
    for (const auto& job : jobs) waiting.push_back({job.process.pidfd(), POLLIN, 0});
    // What happened before the watches were there is looked at first.
    for (size_t i = jobs.size(); i-- > 0;)
      if (released(jobs[i])) jobs.erase(jobs.begin() + static_cast<ptrdiff_t>(i));
    if (jobs.size() + 2 != waiting.size()) continue;
    if (::poll(waiting.data(), waiting.size(), -1) < 0) continue;
    char events[4096];
    while (::read(watch.get(), events, sizeof events) > 0) {
    }
    signalfd_siginfo info{};
    if (::read(signals.get(), &info, sizeof info) == sizeof info) {
      const int number = static_cast<int>(info.ssi_signo);
      for (auto& job : jobs) settled(job, let_go(job, number));
      return kSignalBase + number;
    }
    for (size_t i = jobs.size(); i-- > 0;) {
      if (waiting[i + 2].revents == 0) continue;
      const Settled end = settle_end(host, jobs[i]);
      settled(jobs[i], end);
      if (code == 0) code = exit_code_of(end.verdict);
      jobs.erase(jobs.begin() + static_cast<ptrdiff_t>(i));
    }
  }
  return code;
}

}  // namespace ffrtmp
