#include "jobs/vigil.h"

#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <sys/epoll.h>
#include <sys/inotify.h>
#include <sys/signalfd.h>
#include <sys/timerfd.h>

#include <algorithm>
#include <array>

#include "jobs/observe.h"
#include "sys/file.h"

namespace ffrtmp {

namespace {

constexpr uint64_t kFolders = 0, kTimer = 1;
/// How long the parent of a dead process may take to wait for it (its exit status is told then), and how long
/// what it left behind in its cgroup may take to follow it.
constexpr Duration kReaping = std::chrono::milliseconds(500);
constexpr Duration kExiting = std::chrono::milliseconds(200);
/// How often that is looked at. There is something to look at only in the moments after a death.
constexpr Duration kLook = std::chrono::milliseconds(10);

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

/// Whether ffrtmp detach has ended the job.
bool released(const AdoptedJob& job) {
  const auto text = read_file_at(job.folder.dir(), kResultFile);
  const auto json = text ? parse_json(*text, kResultFile) : bad_input("", "");
  return json && text_or(*json, "outcome") == outcome_name(Outcome::detached);
}

Status watch_fd(int epoll, int fd, uint64_t key) {
  epoll_event event{};
  event.events = EPOLLIN;
  event.data.u64 = key;
  if (::epoll_ctl(epoll, EPOLL_CTL_ADD, fd, &event) != 0) return sys_error("waiting for a process", "");
  return {};
}

}  // namespace

Result<Vigil> Vigil::make(const Host& host, OnSettled settled) {
  Fd epoll(::epoll_create1(EPOLL_CLOEXEC));
  Fd folders(::inotify_init1(IN_CLOEXEC | IN_NONBLOCK));
  Fd timer(::timerfd_create(CLOCK_MONOTONIC, TFD_CLOEXEC | TFD_NONBLOCK));
  if (!epoll || !folders || !timer) return sys_error("waiting for processes", "");
  TRY_OK(watch_fd(epoll.get(), folders.get(), kFolders));
  TRY_OK(watch_fd(epoll.get(), timer.get(), kTimer));
  return Vigil(host, std::move(settled), std::move(epoll), std::move(folders), std::move(timer));
}

Status Vigil::add(AdoptedJob job) {
  TRY_OK(watch_fd(epoll_.get(), job.process.pidfd(), next_));
  const int watch = ::inotify_add_watch(folders_.get(), job.folder.path().c_str(), IN_MOVED_TO | IN_ONLYDIR);
  const uint64_t key = next_++;
  if (watch >= 0) by_watch_[watch] = key;
  jobs_.emplace(key, Waiting{std::move(job), watch, std::nullopt, {}});
  // What happened before the watch was there.
  drop_if_released(key);
  return {};
}

bool Vigil::has(pid_t pid, uint64_t start_ticks) const {
  return std::ranges::any_of(jobs_, [&](const auto& entry) {
    const auto& identity = entry.second.job.process.identity();
    return identity.pid == pid && identity.start_ticks == start_ticks;
  });
}

void Vigil::serve() {
  std::array<epoll_event, 64> events{};
  const int count = ::epoll_wait(epoll_.get(), events.data(), events.size(), 0);
  for (int i = 0; i < count; i++) {
    const uint64_t key = events[static_cast<size_t>(i)].data.u64;
    if (key == kFolders) {
      read_folders();
    } else if (key == kTimer) {
      uint64_t times = 0;
      (void)!::read(timer_.get(), &times, sizeof times);
      armed_ = false;
    } else if (const auto found = jobs_.find(key); found != jobs_.end() && !found->second.ending) {
      see_death(found->second);
    }
  }
  std::vector<uint64_t> over;
  for (const auto& [key, waiting] : jobs_)
    if (waiting.ending && ready(waiting)) over.push_back(key);
  for (const uint64_t key : over) settle(key);
  arm();
}

void Vigil::read_folders() {
  alignas(inotify_event) char events[4096];
  for (ssize_t got = 0; (got = ::read(folders_.get(), events, sizeof events)) > 0;)
    for (ssize_t at = 0; at < got;) {
      const auto* event = reinterpret_cast<const inotify_event*>(events + at);
      at += static_cast<ssize_t>(sizeof(inotify_event) + event->len);
      if (event->mask & IN_Q_OVERFLOW) {
        std::vector<uint64_t> keys;
        for (const auto& [key, waiting] : jobs_) keys.push_back(key);
        for (const uint64_t key : keys) drop_if_released(key);
        continue;
      }
      if (event->len == 0 || std::string_view(event->name) != kResultFile) continue;
      if (const auto found = by_watch_.find(event->wd); found != by_watch_.end())
        drop_if_released(found->second);
    }
}

void Vigil::drop_if_released(uint64_t key) {
  const auto found = jobs_.find(key);
  if (found == jobs_.end() || !released(found->second.job)) return;
  released_.push_back(found->second.job.process.identity());
  drop(key);
}

void Vigil::drop(uint64_t key) {
  const auto found = jobs_.find(key);
  if (found == jobs_.end()) return;
  by_watch_.erase(found->second.watch);
  ::inotify_rm_watch(folders_.get(), found->second.watch);
  ::epoll_ctl(epoll_.get(), EPOLL_CTL_DEL, found->second.job.process.pidfd(), nullptr);
  jobs_.erase(found);
}

/// The counters are read at once: systemd takes a unit's cgroup down with its last process.
void Vigil::see_death(Waiting& waiting) {
  AdoptedJob& job = waiting.job;
  // A dead process stays readable. Only the timer asks again.
  ::epoll_ctl(epoll_.get(), EPOLL_CTL_DEL, job.process.pidfd(), nullptr);
  Ending ending = base_ending(job);
  ending.seen = true;
  ending.usage = read_usage(job.leaf);
  ending.oom = job.oom.judge();
  waiting.ending = std::move(ending);
  waiting.died = monotonic_now();
}

/// Whether there is nothing more to be learned.
bool Vigil::ready(const Waiting& waiting) const {
  const Duration since = monotonic_now() - waiting.died;
  pollfd reaped{waiting.job.process.pidfd(), 0, 0};
  if (since < kReaping && ::poll(&reaped, 1, 0) == 0) return false;
  const Leaf& leaf = waiting.job.leaf;
  return since >= kExiting || !leaf.ours || leaf.dirs.empty() || !leaf.populated();
}

void Vigil::settle(uint64_t key) {
  AdoptedJob& job = jobs_.at(key).job;
  refresh(job);
  Settled out;
  out.ending = std::move(*jobs_.at(key).ending);
  out.ending.wait_status = exit_status_of(job.process.pidfd(), Duration(0));
  out.ending.operator_stopped = exists_at(job.folder.dir(), kStopFile);
  if (job.leaf.ours && !job.leaf.dirs.empty() && job.leaf.populated())
    out.ending.left_behind = job.leaf.processes().size();
  out.verdict = judge(job.record, out.ending);
  out.result = make_result(job.record, out.ending, out.verdict);
  (void)job.folder.write_result(out.result);
  if (out.ending.left_behind == 0) clear_away(*host_, job.folder);
  if (code_ == 0) code_ = exit_code_of(out.verdict);
  settled_(job, out);
  drop(key);
}

void Vigil::arm() {
  if (armed_) return;
  for (const auto& [key, waiting] : jobs_)
    if (waiting.ending) armed_ = true;
  if (!armed_) return;
  itimerspec when{};
  when.it_value.tv_nsec = kLook.count();
  ::timerfd_settime(timer_.get(), 0, &when, nullptr);
}

void Vigil::let_go(int signal) {
  std::vector<uint64_t> dead;
  for (const auto& [key, waiting] : jobs_)
    if (waiting.ending) dead.push_back(key);
  for (const uint64_t key : dead) settle(key);
  for (auto& [key, waiting] : jobs_) {
    AdoptedJob& job = waiting.job;
    refresh(job);
    Settled out;
    out.ending = base_ending(job);
    out.ending.detached_by = signal;
    out.verdict = judge(job.record, out.ending);
    job.record.observer.reset();
    (void)job.folder.write_record(job.record);
    settled_(job, out);
  }
  jobs_.clear();
  by_watch_.clear();
}

Result<int> keep_vigil(const Host& host, std::vector<AdoptedJob> jobs, const OnSettled& settled) {
  const sigset_t set = leaving_signals();
  const Fd signals(::signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK));
  TRY(Vigil vigil, Vigil::make(host, settled));
  for (auto& job : jobs) TRY_OK(vigil.add(std::move(job)));
  shrink();
  while (vigil.size() > 0) {
    std::array<pollfd, 2> waiting{{{signals.get(), POLLIN, 0}, {vigil.fd(), POLLIN, 0}}};
    if (::poll(waiting.data(), waiting.size(), -1) < 0) continue;
    signalfd_siginfo info{};
    if (::read(signals.get(), &info, sizeof info) == sizeof info) {
      const int number = static_cast<int>(info.ssi_signo);
      vigil.let_go(number);
      return kSignalBase + number;
    }
    vigil.serve();
  }
  return vigil.code();
}

}  // namespace ffrtmp
