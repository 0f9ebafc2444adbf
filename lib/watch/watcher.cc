#include "watch/watcher.h"

#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <sys/resource.h>
#include <sys/signalfd.h>
#include <sys/timerfd.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <map>

#include "adopt/tree.h"
#include "jobs/job_id.h"
#include "jobs/live.h"
#include "jobs/observe.h"
#include "proc/processes.h"
#include "sys/file.h"
#include "sys/notify.h"
#include "watch/look.h"
#include "watch/match.h"
#include "watch/proc_events.h"

namespace ffrtmp {

namespace {

constexpr Duration kUsualScan = std::chrono::seconds(5);  // without the proc connector
constexpr size_t kManyNoted = 256;
constexpr Duration kBusyLong = std::chrono::seconds(30);
constexpr int kQuietMs = 250;  // after that long without news, what is not urgent is done

/// Each job is a handful of descriptors; the soft limit of 1024 is for programs that use select(2).
void raise_descriptors() {
  rlimit limit{};
  if (::getrlimit(RLIMIT_NOFILE, &limit) != 0) return;
  limit.rlim_cur = limit.rlim_max;
  (void)::setrlimit(RLIMIT_NOFILE, &limit);
}

/// So many are free before a job is taken that, with it, /proc can still be read and a result be written:
/// without them what starts next would not even be seen, and how a job ended would be lost.
constexpr int kSpareDescriptors = 24;

/// `any` is an open one, to be copied.
Status room_for_a_job(const Fd& any) {
  std::array<Fd, kSpareDescriptors> spare;
  for (auto& fd : spare)
    if (fd = Fd(::fcntl(any.get(), F_DUPFD_CLOEXEC, 0)); !fd) return sys_error("taking another job", "");
  return {};
}

class Watcher {
 public:
  Watcher(const Host& host, const JobStore& store, const WatchRequest& request, const WatchOutput& output,
          Vigil vigil)
      : host_(host), store_(store), request_(request), output_(output), vigil_(std::move(vigil)) {}

  Result<int> run();

 private:
  /// A process that was looked at: a start time tells it from the next that bears its PID.
  using Noted = std::map<pid_t, uint64_t>;
  struct Pending {
    uint64_t start_ticks;
    Duration due;  ///< since boot
  };

  Status set_up();
  void take_up_old_jobs();
  void reload();
  void scan();
  void consider(pid_t pid);
  void adopt_it(const WatchRule& rule, const Candidate& candidate);
  void tell_plan(const WatchRule& rule, const Candidate& candidate);
  void busy() { busy_since_ = busy_since_.value_or(since_boot()); }
  AdoptRequest adoption_of(const WatchRule& rule, const Candidate& candidate) const;
  void note(pid_t pid, uint64_t start_ticks);
  void prune();
  void on_news();
  void on_time();
  void ping();
  void arm();
  bool on_signal();  ///< false: to leave
  void when_quiet();
  std::string status_text() const;

  const Host& host_;
  const JobStore& store_;
  const WatchRequest& request_;
  const WatchOutput& output_;
  Vigil vigil_;
  ServiceManager manager_;
  WatchConfig config_;
  std::optional<ProcEvents> events_;
  Fd only_one_, signals_, timer_, scope_hold_;
  std::vector<pid_t> above_us_;
  Noted noted_;  ///< refused, detached, or told of in a dry run: not again
  std::map<pid_t, Pending> pending_;
  Noted left_out_;  ///< not adopted for want of descriptors or memory
  std::optional<Duration> scan_every_, next_scan_, next_ping_;
  std::optional<Duration> busy_since_ = since_boot();  ///< what need not be done at once is still to be done
  size_t noted_before_ = kManyNoted;
  std::string told_status_;
};

Status Watcher::set_up() {
  if (!request_.dry_run) {
    TRY(only_one_, store_.lock_watch());
  }
  raise_descriptors();
  for (const auto& stat : lineage_of(::getpid())) above_us_.push_back(stat.pid);
  const sigset_t set = leaving_signals();
  signals_ = Fd(::signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK));
  timer_ = Fd(::timerfd_create(CLOCK_BOOTTIME, TFD_CLOEXEC | TFD_NONBLOCK));
  if (!signals_ || !timer_) return sys_error("starting to watch", "");
  if (request_.once) return {};
  // Heard first, then looked at all that runs: nothing starts in between unseen.
  auto events = ProcEvents::open();
  if (events)
    events_ = std::move(*events);
  else
    output_.log("no news of programs that start (" + events.error().message() + "): looking every " +
                format_duration(config_.scan_interval.value_or(kUsualScan)));
  return {};
}

/// Those that an earlier watcher left: waited for again, or their end written down.
void Watcher::take_up_old_jobs() {
  size_t again = 0, over = 0;
  for (const auto& job : store_.list()) {
    if (job.record.mode != "attach") continue;
    if (job.state == JobState::ended && job.record.workload && is_alive(*job.record.workload))
      note(job.record.workload->pid, job.record.workload->start_ticks);  // detached
    if (job.record.rule.empty()) continue;
    if (job.state == JobState::unobserved) {
      auto taken = readopt(host_, store_, job.record.job_id);
      if (taken && vigil_.add(std::move(*taken))) again++;
    } else if (job.state == JobState::lost && job.record.boot_id == boot_id()) {
      if (!settle_unobserved(host_, job, std::nullopt)) continue;
      if (const auto folder = store_.open_folder(job.record.job_id)) clear_away(host_, *folder);
      over++;
    }
  }
  if (again + over > 0)
    output_.log("of the watcher before: " + std::to_string(again) + " jobs that go on, " +
                std::to_string(over) + " that ended meanwhile");
}

void Watcher::reload() {
  // systemd takes a reload for begun only with the time of its begin (Type=notify-reload).
  manager_.tell("RELOADING=1\nMONOTONIC_USEC=" + std::to_string(monotonic_now().count() / 1000));
  auto loaded = request_.load();
  if (!loaded) {
    output_.log(loaded.error().message() + "; the rules stay as they were");
  } else {
    busy();
    config_ = std::move(*loaded);
    output_.log("loaded " + std::to_string(config_.rules.size()) + " rules");
    noted_.clear();
    pending_.clear();
    scan_every_ = config_.scan_interval;
    if (!events_ && !scan_every_) scan_every_ = kUsualScan;
    next_scan_.reset();
    scan();
  }
  told_status_.clear();
  manager_.tell("READY=1");
}

void Watcher::scan() {
  std::vector<std::pair<uint64_t, pid_t>> found;
  for (const pid_t pid : all_processes()) {
    if (!wanted(config_.rules, executable_of(pid))) continue;
    const auto stat = stat_of(pid);
    if (stat) found.emplace_back(stat->start_ticks, pid);
  }
  // The oldest first: what a process started is of its tree.
  std::ranges::sort(found);
  for (const auto& [start, pid] : found) consider(pid);
  if (scan_every_) next_scan_ = since_boot() + *scan_every_;
  prune();
}

void Watcher::consider(pid_t pid) {
  if (!wanted(config_.rules, executable_of(pid))) return;
  if (std::ranges::find(above_us_, pid) != above_us_.end()) return;
  const auto lineage = lineage_of(pid);
  if (lineage.empty() || lineage.front().kernel_thread() || lineage.front().exiting()) return;
  if (const auto known = noted_.find(pid);
      known != noted_.end() && known->second == lineage.front().start_ticks)
    return;
  if (vigil_.has(pid, lineage.front().start_ticks)) return;
  const Candidate candidate = look_at(lineage);
  const WatchRule* rule = match(config_.rules, candidate);
  if (!rule || rule->leave_alone || belongs_to_ffrtmp(lineage, candidate)) return;
  if (candidate.age < rule->min_age) {
    pending_[pid] = {candidate.start_ticks, since_boot() + rule->min_age - candidate.age};
    return;
  }
  if (job_of(store_, lineage)) return;
  busy();
  ping();
  if (request_.dry_run)
    tell_plan(*rule, candidate);
  else
    adopt_it(*rule, candidate);
}

AdoptRequest Watcher::adoption_of(const WatchRule& rule, const Candidate& candidate) const {
  AdoptRequest out;
  out.pid = candidate.pid;
  out.only = ProcessIdentity{candidate.pid, candidate.start_ticks, boot_id()};
  out.job_id = make_job_id(candidate.executable);
  out.rule = rule.name;
  out.plan.limits = rule.limits;
  out.plan.placement = rule.placement;
  out.change.limits = rule.limits;
  out.change.required = rule.required;
  out.change.hold_scope = !scope_hold_ && !request_.once;
  return out;
}

void Watcher::adopt_it(const WatchRule& rule, const Candidate& candidate) {
  const std::string who = candidate.executable + " " + std::to_string(candidate.pid);
  // What held the scope may have been killed with it.
  if (::waitpid(-1, nullptr, WNOHANG | __WCLONE) > 0) scope_hold_.reset();
  const AdoptRequest request = adoption_of(rule, candidate);
  const bool left_out_before = left_out_.erase(candidate.pid) > 0;
  const auto room = room_for_a_job(timer_);
  auto job = room ? adopt(host_, store_, request) : std::unexpected(room.error());
  if (!job) {
    // What has just ended is no failure.
    if (!is_alive(*request.only)) return;
    const int why = job.error().errnum;
    const bool no_room = why == EMFILE || why == ENFILE || why == ENOMEM;
    (no_room ? left_out_ : noted_)[candidate.pid] = candidate.start_ticks;
    if (left_out_before) return;
    output_.log("not adopted: " + who + ", by rule " + rule.name + ": " + job.error().message() +
                (no_room ? "; tried again when a job has ended" : ""));
    return;
  }
  if (job->scope_hold) scope_hold_ = std::move(job->scope_hold);
  std::string line = job->record.job_id + ": " + who + ", by rule " + rule.name + ": ";
  std::vector<std::string> rows;
  for (const auto& row : job->record.receipt.rows)
    rows.push_back((row.strength == Strength::none ? "! " : "") + row.name + " " + row.asked.text);
  line += rows.empty() ? "no limits" : "";
  for (const auto& row : rows) line += (&row == &rows.front() ? "" : ", ") + row;
  output_.found("adopted " + line);
  if (request_.once) {
    job->record.observer.reset();  // nobody waits for it
    if (auto written = job->folder.write_record(job->record); !written)
      output_.log(written.error().message());
    return;
  }
  if (auto added = vigil_.add(std::move(*job)); !added) output_.log(added.error().message());
}

void Watcher::tell_plan(const WatchRule& rule, const Candidate& candidate) {
  note(candidate.pid, candidate.start_ticks);
  const AdoptRequest request = adoption_of(rule, candidate);
  const auto planned = plan_adoption(host_, store_, request);
  if (!planned && !is_alive(*request.only)) return;
  const std::string who = candidate.executable + " " + std::to_string(candidate.pid);
  output_.found(planned
                    ? "would adopt " + who + " of " + planned->first.user + ", by rule " + rule.name + ": " +
                          limits_text(rule) + " (" + planned->second.why + ")"
                    : "would not adopt " + who + ", by rule " + rule.name + ": " + planned.error().message());
}

void Watcher::note(pid_t pid, uint64_t start_ticks) {
  noted_[pid] = start_ticks;
  if (noted_.size() > 2 * noted_before_) prune();
}

/// Forgets processes that have ended.
void Watcher::prune() {
  const auto over = [](pid_t pid, uint64_t start_ticks) {
    const auto stat = stat_of(pid);
    return !stat || stat->start_ticks != start_ticks;
  };
  for (Noted* list : {&noted_, &left_out_})
    std::erase_if(*list, [&](const auto& entry) { return over(entry.first, entry.second); });
  std::erase_if(pending_, [&](const auto& entry) { return over(entry.first, entry.second.start_ticks); });
  noted_before_ = std::max(kManyNoted, noted_.size());
}

void Watcher::on_news() {
  // One piece at a time, so that ends and signals have their turn in a flood.
  const auto news = events_->read();
  for (const pid_t pid : news.started) {
    // Another program now, whatever it was before.
    noted_.erase(pid);
    pending_.erase(pid);
    consider(pid);
  }
  if (news.lost) {
    output_.log("more programs started than could be told: looking at all that runs");
    scan();
  }
}

void Watcher::on_time() {
  uint64_t times = 0;
  if (::read(timer_.get(), &times, sizeof times) != sizeof times) return;
  const Duration now = since_boot();
  std::vector<pid_t> due;
  for (const auto& [pid, pending] : pending_)
    if (pending.due <= now) due.push_back(pid);
  for (const pid_t pid : due) {
    pending_.erase(pid);
    consider(pid);
  }
  if (next_scan_ && *next_scan_ <= now) scan();
  ping();
}

/// Also between one adoption and the next: many of them take their time.
void Watcher::ping() {
  if (!next_ping_ || *next_ping_ > since_boot()) return;
  manager_.tell("WATCHDOG=1");
  next_ping_ = since_boot() + *manager_.watchdog();
}

/// The timer is set to the next thing that is to be done, and not at all when there is none.
void Watcher::arm() {
  std::optional<Duration> next = next_scan_;
  const auto sooner = [&](Duration due) { next = next ? std::min(*next, due) : due; };
  if (next_ping_) sooner(*next_ping_);
  for (const auto& [pid, pending] : pending_) sooner(pending.due);
  itimerspec when{};
  if (next) {
    const auto due = std::max(*next, Duration(1));  // zero would disarm it
    when.it_value.tv_sec = std::chrono::duration_cast<std::chrono::seconds>(due).count();
    when.it_value.tv_nsec = (due % std::chrono::seconds(1)).count();
  }
  ::timerfd_settime(timer_.get(), TFD_TIMER_ABSTIME, &when, nullptr);
}

bool Watcher::on_signal() {
  signalfd_siginfo info{};
  while (::read(signals_.get(), &info, sizeof info) == sizeof info) {
    if (info.ssi_signo != SIGHUP) {
      manager_.tell("STOPPING=1");
      if (vigil_.size() > 0)
        output_.log("lets go of " + std::to_string(vigil_.size()) + " jobs: they go on inside their limits");
      vigil_.let_go(static_cast<int>(info.ssi_signo));
      return false;
    }
    reload();
  }
  return true;
}

std::string Watcher::status_text() const {
  return "STATUS=" + std::to_string(vigil_.size()) + " jobs, " + std::to_string(config_.rules.size()) +
         " rules, " +
         (events_ ? "told of programs that start"
                  : "looking every " + format_duration(scan_every_.value_or(kUsualScan)));
}

/// What need not be done at once: telling, tidying up, giving back memory.
void Watcher::when_quiet() {
  if (std::string now = status_text(); now != told_status_) {
    manager_.tell(now);
    told_status_ = std::move(now);
  }
  if (vigil_.size() == 0 && scope_hold_) {
    scope_hold_.reset();
    (void)::waitpid(-1, nullptr, __WCLONE);
  }
  if (!request_.dry_run) store_.sweep("");
  shrink();
  busy_since_.reset();
}

Result<int> Watcher::run() {
  TRY(config_, request_.load());
  TRY_OK(set_up());
  scan_every_ = config_.scan_interval;
  if (!events_ && !scan_every_) scan_every_ = kUsualScan;
  if (!request_.dry_run && !request_.once) take_up_old_jobs();
  scan();
  if (request_.once) return 0;
  manager_.tell("READY=1\n" + status_text());
  if (manager_.watchdog()) next_ping_ = since_boot();
  for (;;) {
    arm();
    std::array<pollfd, 4> waiting{{{signals_.get(), POLLIN, 0},
                                   {events_ ? events_->fd() : -1, POLLIN, 0},
                                   {timer_.get(), POLLIN, 0},
                                   {vigil_.fd(), POLLIN, 0}}};
    const int ready = ::poll(waiting.data(), waiting.size(), busy_since_ ? kQuietMs : -1);
    if (ready < 0) continue;
    if (ready == 0 || (busy_since_ && since_boot() - *busy_since_ > kBusyLong)) when_quiet();
    if (waiting[0].revents != 0 && !on_signal()) return 0;
    if (waiting[1].revents != 0) on_news();
    if (waiting[3].revents != 0) {
      vigil_.serve();
      // Whoever detaches a process wants it left alone.
      for (const auto& identity : vigil_.take_released()) note(identity.pid, identity.start_ticks);
      // Those for whom there was no room: now there is some.
      if (!left_out_.empty()) scan();
      busy();
    }
    if (waiting[2].revents != 0) on_time();
  }
}

}  // namespace

Result<int> watch(const Host& host, const JobStore& store, const WatchRequest& request,
                  const WatchOutput& output) {
  const sigset_t set = leaving_signals();
  ::sigprocmask(SIG_BLOCK, &set, nullptr);
  TRY(Vigil vigil, Vigil::make(host, output.settled));
  return Watcher(host, store, request, output, std::move(vigil)).run();
}

}  // namespace ffrtmp
