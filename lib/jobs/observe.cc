#include "jobs/observe.h"

#include <fcntl.h>
#include <link.h>
#include <malloc.h>
#include <poll.h>
#include <signal.h>
#include <sys/inotify.h>
#include <sys/mman.h>
#include <sys/signalfd.h>
#include <sys/timerfd.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <array>

#include "jobs/exit_meaning.h"
#include "jobs/stop.h"
#include "jobs/tail.h"
#include "sys/file.h"

namespace ffrtmp {

namespace {

using namespace std::chrono_literals;

/// Passed on only.
constexpr std::array kForwarded = {SIGWINCH, SIGTSTP};

sigset_t handled_signals() {
  sigset_t set = leaving_signals();
  sigaddset(&set, SIGCHLD);
  sigaddset(&set, SIGCONT);
  sigaddset(&set, SIGTTOU);  // so that taking the terminal back never stops us
  return set;
}

void arm(int timer, Duration after) {
  const auto seconds = std::chrono::duration_cast<std::chrono::seconds>(after);
  itimerspec spec{};
  spec.it_value = {seconds.count(), std::max<int64_t>((after - seconds).count(), after.count() == 0 ? 1 : 0)};
  ::timerfd_settime(timer, 0, &spec, nullptr);
}

/// Keeps files that a workload appends to below their cap. Asleep until the first write; while there are
/// writes it looks again after a time that fits how fast the file grows; asleep again when they stop.
class CapKeeper {
 public:
  void add(Fd fd, const std::string& path, uint64_t cap) {
    if (!fd || cap == 0) return;
    if (!watch_) {
      watch_ = Fd(::inotify_init1(IN_CLOEXEC | IN_NONBLOCK));
      timer_ = Fd(::timerfd_create(CLOCK_MONOTONIC, TFD_CLOEXEC | TFD_NONBLOCK));
    }
    files_.push_back({std::move(fd), path, cap, 0});
    arm_watch(files_.back());
  }
  int watch() const { return watch_.get(); }
  int timer() const { return timer_.get(); }

  void on_write() {
    char events[4096];
    while (::read(watch_.get(), events, sizeof events) > 0) {
    }
    arm(timer_.get(), kFirstLook);  // one-shot watches: no more events until the timer has had its look
  }
  void on_timer() {
    uint64_t expirations;
    (void)!::read(timer_.get(), &expirations, sizeof expirations);
    Duration next = kLongestPause;
    bool grew = false;
    for (auto& file : files_) {
      const auto taken = cap_file(file.fd.get(), file.cap);
      const off_t size = ::lseek(file.fd.get(), 0, SEEK_END);
      const auto growth = static_cast<uint64_t>(std::max<off_t>(0, size - file.size));
      file.size = size;
      if (!taken || growth == 0) continue;
      grew = true;
      // Come back before another half of the cap is written at this pace.
      next = std::min(next, std::max<Duration>(kShortestPause, pause_ * static_cast<int64_t>(file.cap / 2) /
                                                                   static_cast<int64_t>(growth)));
    }
    if (grew) {
      pause_ = next;
      arm(timer_.get(), next);
    } else {
      pause_ = kFirstLook;
      for (auto& file : files_) arm_watch(file);
    }
  }
  /// What was written since the last look: the writer is gone, and nobody looks again.
  void on_end() {
    for (const auto& file : files_) (void)cap_file(file.fd.get(), file.cap);
  }

 private:
  static constexpr Duration kFirstLook = 200ms, kShortestPause = 50ms, kLongestPause = 30s;
  struct File {
    Fd fd;
    std::string path;
    uint64_t cap;
    off_t size;
  };
  void arm_watch(const File& file) const {
    ::inotify_add_watch(watch_.get(), file.path.c_str(), IN_MODIFY | IN_ONESHOT);
  }
  Fd watch_, timer_;
  std::vector<File> files_;
  Duration pause_ = kFirstLook;
};

/// Watches that a live job's media time goes on.
class StallWatch {
 public:
  explicit StallWatch(const std::optional<Duration>& patience, const std::string& progress_path)
      : path_(progress_path) {
    if (!patience || path_.empty()) return;
    patience_ = *patience;
    timer_ = Fd(::timerfd_create(CLOCK_MONOTONIC, TFD_CLOEXEC | TFD_NONBLOCK));
    changed_ = monotonic_now();
    rearm();
  }
  int timer() const { return timer_.get(); }
  enum class State { goes_on, stalled, recovered };
  State look() {
    uint64_t expirations;
    (void)!::read(timer_.get(), &expirations, sizeof expirations);
    const auto progress = read_progress(path_);
    const double at = progress && progress->out_time_s ? *progress->out_time_s : -1;
    const Duration now = monotonic_now();
    rearm();
    if (at != last_) {
      last_ = at;
      changed_ = now;
      return std::exchange(stalled_, false) ? State::recovered : State::goes_on;
    }
    if (stalled_ || now - changed_ < patience_) return State::goes_on;
    stalled_ = true;
    return State::stalled;
  }

 private:
  void rearm() const { arm(timer_.get(), std::max<Duration>(200ms, patience_ / 4)); }
  std::string path_;
  Duration patience_{}, changed_{};
  double last_ = -1;
  bool stalled_ = false;
  Fd timer_;
};

/// Reaps every ended child that is not the workload: as a container's first process we inherit orphans.
void reap_strangers(pid_t workload) {
  for (;;) {
    siginfo_t info{};
    if (::waitid(P_ALL, 0, &info, WEXITED | WNOHANG | WNOWAIT) != 0 || info.si_pid == 0 ||
        info.si_pid == workload)
      return;
    ::waitpid(info.si_pid, nullptr, WNOHANG);
  }
}

}  // namespace

sigset_t leaving_signals() {
  sigset_t set;
  sigemptyset(&set);
  for (const int number : {SIGINT, SIGTERM, SIGHUP, SIGQUIT, SIGUSR1, SIGUSR2, SIGALRM})
    sigaddset(&set, number);
  return set;
}

void block_signals() {
  const sigset_t set = handled_signals();
  ::sigprocmask(SIG_BLOCK, &set, nullptr);
}

void shrink() {
  ::malloc_trim(0);
  // Read-only pages of files come back from the page cache when they are next touched. Most of a library's
  // were touched once, when it was loaded.
  ::dl_iterate_phdr(
      [](dl_phdr_info* info, size_t, void*) {
        for (int i = 0; i < info->dlpi_phnum; i++) {
          const auto& part = info->dlpi_phdr[i];
          if (part.p_type != PT_LOAD || (part.p_flags & PF_W)) continue;
          const uintptr_t page = 4096, begin = (info->dlpi_addr + part.p_vaddr + page - 1) & ~(page - 1);
          const uintptr_t end = (info->dlpi_addr + part.p_vaddr + part.p_memsz) & ~(page - 1);
          if (end > begin) ::madvise(reinterpret_cast<void*>(begin), end - begin, MADV_DONTNEED);
        }
        return 0;
      },
      nullptr);
}

Ending observe(Launched& job, const RunRequest& request, const std::function<void()>& settled) {
  Ending ending;
  ProcessRef& workload = *job.workload;
  sigset_t set = handled_signals();
  if (request.forward_signals) {
    for (const int number : kForwarded) sigaddset(&set, number);
    ::sigprocmask(SIG_BLOCK, &set, nullptr);
  }
  const Fd signals(::signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK));
  Fd deadline;
  if (request.timeout) {
    deadline = Fd(::timerfd_create(CLOCK_MONOTONIC, TFD_CLOEXEC));
    arm(deadline.get(), std::max<Duration>(Duration(1), *request.timeout - (monotonic_now() - job.started)));
  }
  CapKeeper caps;
  if (request.log_cap && job.log)
    caps.add(Fd(::fcntl(job.log.get(), F_DUPFD_CLOEXEC, 3)), job.record.log_path, *request.log_cap);
  if (!job.record.progress_path.empty()) {
    // FFmpeg opens it at its own time; make it now so that there is something to watch.
    constexpr uint64_t kProgressCap = 256 * 1024;
    if (auto fd = open_at(AT_FDCWD, job.record.progress_path, O_RDWR | O_CREAT, 0600))
      caps.add(std::move(*fd), job.record.progress_path, kProgressCap);
  }

  StallWatch stall(request.job ? request.job->restart.stall : std::nullopt, job.record.progress_path);
  const auto note_stall = [&](bool stalled) {
    if (stalled)
      job.record.stalled_since = wall_now();
    else
      job.record.stalled_since.reset();
    if (job.folder) (void)job.folder->rewrite_record(job.record);
  };
  const StopTarget target{&workload, &job.leaf,
                          request.job || is_ffmpeg(request.argv[0]) || is_gstreamer(request.argv[0])};

  int status = 0;
  rusage account{};
  const auto reap = [&] {
    while (::wait4(workload.pid(), &status, 0, &account) < 0)
      if (errno != EINTR) return false;
    return true;
  };
  std::array<pollfd, 6> waiting = {{{workload.pidfd(), POLLIN, 0},
                                    {signals.get(), POLLIN, 0},
                                    {deadline ? deadline.get() : -1, POLLIN, 0},
                                    {caps.watch(), POLLIN, 0},
                                    {caps.timer(), POLLIN, 0},
                                    {stall.timer(), POLLIN, 0}}};
  const auto ready = [&](size_t i) { return (waiting[i].revents & (POLLIN | POLLHUP | POLLERR)) != 0; };
  bool over = false;
  // Most of what shrinking gives back, a job of milliseconds would have to fetch again: only who waits longer
  // does it.
  int until_settled_ms = 250;
  while (!over) {
    const int events = ::poll(waiting.data(), waiting.size(), until_settled_ms);
    if (events < 0) continue;
    if (events == 0) {
      until_settled_ms = -1;
      settled();
      shrink();
      continue;
    }
    if (ready(0)) break;
    if (ready(2)) {
      ending.timed_out = true;
      (void)stop_workload(target, kStopGrace);
      waiting[2].fd = -1;
      continue;
    }
    if (ready(5)) {
      const auto state = stall.look();
      if (state != StallWatch::State::goes_on) note_stall(state == StallWatch::State::stalled);
      if (state == StallWatch::State::stalled) {
        ending.stalls++;
        if (request.job->restart.on_stall) {
          ending.stalled = true;
          (void)stop_workload(target, kStopGrace);
          waiting[5].fd = -1;
          continue;
        }
      }
    }
    if (ready(3)) caps.on_write();
    if (ready(4)) caps.on_timer();
    signalfd_siginfo info{};
    while (!over && ready(1) && ::read(signals.get(), &info, sizeof info) == sizeof info) {
      const int number = static_cast<int>(info.ssi_signo);
      if (number == SIGCHLD) {
        siginfo_t child{};
        // Ctrl-Z stopped the workload: stop with it, so that the shell sees its job stopped.
        if (::waitid(P_PID, static_cast<id_t>(workload.pid()), &child, WSTOPPED | WNOHANG) == 0 &&
            child.si_pid != 0 && job.terminal) {
          job.terminal.take_back(workload.pid());
          ::kill(::getpid(), SIGSTOP);
        }
        reap_strangers(workload.pid());
      } else if (number == SIGCONT) {
        // The shell's fg gave our group the terminal; it belongs to the workload. bg only lets it go on.
        if (job.terminal.ours()) job.terminal.give(workload.pid());
        if (workload.alive()) ::kill(-workload.pid(), SIGCONT);
      } else if (number == SIGTTOU) {
      } else if (request.forward_signals) {
        (void)workload.signal(number);
      } else {
        ending.detached_by = number;
        over = true;
      }
    }
  }
  ending.duration = monotonic_now() - job.started;
  ending.ended_at = wall_now();
  if (ending.detached_by) {
    job.terminal.take_back(workload.pid());
    return ending;
  }
  caps.on_end();
  // Everything that goes with the cgroup or the zombie is read before either is let go.
  ending.usage = read_usage(job.leaf);
  ending.oom = job.oom->judge();
  if (reap()) {
    ending.wait_status = status;
    add_rusage(ending.usage, account);
  }
  job.terminal.take_back(workload.pid());
  // The kernel kills a group for memory at once, but its members take their time to go.
  constexpr auto kExiting = 2s;
  if (ending.oom.kills > 0) (void)job.leaf.wait_until_empty(kExiting);
  if (!job.leaf.dirs.empty() && job.leaf.populated()) ending.left_behind = job.leaf.processes().size();
  if (!job.record.progress_path.empty()) ending.media = read_progress(job.record.progress_path);
  constexpr size_t kTailLines = 5;
  if (!job.record.log_path.empty()) ending.log_tail = last_lines(job.record.log_path, kTailLines);
  if (request.job && job.folder) ending.report = read_job_report(job.folder->dir());
  if (job.folder) ending.operator_stopped = exists_at(job.folder->dir(), kStopFile);
  return ending;
}

bool wait_before_restart(const Launched& job, Duration pause, Ending& ending) {
  const auto told_to_stop = [&] { return job.folder && exists_at(job.folder->dir(), kStopFile); };
  const sigset_t set = handled_signals();
  const Fd signals(::signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK));
  const Fd watch(::inotify_init1(IN_CLOEXEC | IN_NONBLOCK));
  if (job.folder) ::inotify_add_watch(watch.get(), job.folder->path().c_str(), IN_MOVED_TO);
  const Duration until = monotonic_now() + pause;
  for (;;) {
    if (told_to_stop()) {
      ending.operator_stopped = true;
      return false;
    }
    const Duration left = until - monotonic_now();
    if (left <= Duration(0)) return true;
    pollfd waiting[2] = {{signals.get(), POLLIN, 0}, {watch.get(), POLLIN, 0}};
    ::poll(waiting, 2, static_cast<int>(left / 1ms) + 1);
    signalfd_siginfo info{};
    while (::read(signals.get(), &info, sizeof info) == sizeof info) {
      const int number = static_cast<int>(info.ssi_signo);
      if (number == SIGCHLD || number == SIGCONT || number == SIGTTOU) continue;
      ending.detached_by = number;  // there is nothing left to wait for: the job ends here
      return false;
    }
    char events[4096];
    (void)!::read(watch.get(), events, sizeof events);
  }
}

}  // namespace ffrtmp
