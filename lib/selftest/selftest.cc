#include "selftest/selftest.h"

#include <fcntl.h>
#include <signal.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <algorithm>
#include <cstdlib>

#include "cgroup/block_device.h"
#include "jobs/job_store.h"
#include "jobs/run.h"
#include "proc/cpu_set.h"
#include "sys/file.h"
#include "sys/text.h"

extern char** environ;

namespace ffrtmp {

namespace {

using namespace std::chrono_literals;

/// A folder of ours for a dummy's output, and what it writes to.
class Scratch {
 public:
  static Result<Scratch> make(const std::string& in) {
    std::string path = in + "/ffrtmp-selftest-XXXXXX";
    if (!::mkdtemp(path.data())) return sys_error("making a folder in", in);
    return Scratch(path);
  }
  Scratch(Scratch&& other) noexcept : path_(std::exchange(other.path_, "")) {}
  Scratch& operator=(Scratch&&) = delete;
  ~Scratch() {
    if (path_.empty()) return;
    const size_t slash = path_.rfind('/');
    if (const auto above = open_dir(AT_FDCWD, path_.substr(0, slash)))
      (void)remove_flat_dir(above->get(), path_.substr(slash + 1));
  }
  const std::string& path() const { return path_; }

 private:
  explicit Scratch(std::string path) : path_(std::move(path)) {}
  std::string path_;
};

class Listener final : public RunListener {
 public:
  DummyRun run;
  void started(const Record& record) override { run.record = record; }
  bool wants_result() const override { return false; }
  void ended(const Record& record, const Ending& ending, const Verdict& verdict, const Json&) override {
    run.record = record;
    run.ending = ending;
    run.verdict = verdict;
  }
};

class Runner {
 public:
  Runner(std::string self, Scratch scratch) : self_(std::move(self)), scratch_(std::move(scratch)) {
    for (char** variable = environ; *variable; variable++) environment_.emplace_back(*variable);
  }

  /// One dummy inside the limits, to its end.
  Result<DummyRun> run(const std::string& name, std::vector<std::string> mode, std::vector<Limit> limits,
                       std::optional<Duration> timeout = std::nullopt) {
    RunRequest request;
    request.argv = {self_, "selftest-dummy"};
    request.argv.insert(request.argv.end(), mode.begin(), mode.end());
    request.environment = environment_;
    request.job_id = "selftest-" + std::to_string(::getpid()) + "-" + name;
    request.limits = std::move(limits);
    request.placement.controllers = controllers_of(request.limits);
    request.thread_fit = false;  // the quota itself is what is tried
    request.timeout = timeout ? timeout : std::optional<Duration>(kPatience);
    const std::string out = scratch_.path() + "/" + name;
    request.log = {LogTarget::Kind::file, out};
    Listener listener;
    TRY(const int code, run_job(request, listener));
    (void)code;  // a dummy that is killed by its limit is what is wanted
    const Verdict& verdict = listener.run.verdict;
    if (verdict.outcome == Outcome::detached || verdict.signal == SIGINT || verdict.signal == SIGQUIT)
      if (verdict.outcome != Outcome::timed_out)
        return sys_error("the self-test was interrupted during", name, EINTR);
    if (const auto text = read_file(out))
      if (const auto told = parse_json(*text, name); told && told->is_object()) listener.run.told = *told;
    return std::move(listener.run);
  }

  const std::string& folder() const { return scratch_.path(); }

 private:
  static constexpr Duration kPatience = 12s;
  std::string self_;
  Scratch scratch_;
  std::vector<std::string> environment_;
};

Limit limit_of(LimitKind kind, LimitValue value) { return {kind, std::move(value), "selftest"}; }

bool host_swaps() {
  const auto text = read_file("/proc/swaps");
  return text && lines(std::string_view(*text)).size() > 1;
}

/// Where the limit of a disk can be tried: the state folder's own disk, or another that we may write to.
struct DiskPlace {
  std::string folder;
  BlockDevice device;
};
Result<DiskPlace> find_disk_place() {
  std::vector<std::string> folders = {JobStore::default_path()};
  if (const char* folder = ::getenv("TMPDIR"); folder && folder[0] == '/') folders.push_back(folder);
  folders.insert(folders.end(), {"/var/tmp", "/tmp"});
  if (const char* home = ::getenv("HOME"); home && home[0] == '/') folders.push_back(home);
  std::string why;
  for (const auto& folder : folders) {
    if (::access(folder.c_str(), W_OK | X_OK) != 0) continue;
    const auto device = find_block_device(folder);
    if (device) return DiskPlace{folder, *device};
    if (why.empty()) why = device.error().message();
  }
  return bad_input(why.empty() ? "no folder on a disk can be written to" : why, "");
}

Result<Trial> try_cpu(Runner& runner) {
  // A fifth of a CPU: what even a busy host gives, so that the quota is what stops it.
  constexpr CpuMax kQuota{20'000, 100'000};
  TRY(const DummyRun run, runner.run("cpu", {"cpu", "1200"}, {limit_of(LimitKind::cpu_max, kQuota)}));
  return judge_cpu(run, kQuota);
}

Result<Trial> try_memory_max(Runner& runner) {
  constexpr Bytes kLimit{32 << 20};
  std::vector<Limit> limits = {limit_of(LimitKind::memory_max, kLimit)};
  if (host_swaps()) limits.insert(limits.begin(), limit_of(LimitKind::swap_max, Bytes{0}));
  TRY(const DummyRun run, runner.run("memory", {"memory", std::to_string(64 << 20)}, limits));
  return judge_memory_max(run, kLimit);
}

Result<Trial> try_memory_high(Runner& runner, const std::string& folder) {
  constexpr Bytes kLimit{12 << 20}, kWritten{40 << 20};
  TRY(const DummyRun run, runner.run("high", {"cache", folder + "/cache", std::to_string(kWritten.count)},
                                     {limit_of(LimitKind::memory_high, kLimit)}));
  ::unlink((folder + "/cache").c_str());
  return judge_memory_high(run, kLimit, kWritten);
}

Result<Trial> try_pids(Runner& runner) {
  constexpr uint64_t kMost = 8, kWanted = 23;
  TRY(const DummyRun run,
      runner.run("pids", {"fork", std::to_string(kWanted)}, {limit_of(LimitKind::pids_max, Count{kMost})}));
  return judge_pids(run, kMost, kWanted);
}

Result<Trial> try_cpuset(Runner& runner) {
  TRY(const CpuList allowed, affinity_of(0));
  const CpuList one{{allowed.cpus.back()}};
  if (allowed.cpus.size() < 2)
    return Trial{"cpuset.cpus", format_cpu_list(one), Trial::Verdict::absent,
                 "there is only one CPU to run on"};
  TRY(const DummyRun run, runner.run("cpuset", {"settings"}, {limit_of(LimitKind::cpuset, one)}));
  return judge_cpuset(run, one);
}

Result<Trial> try_io(Runner& runner, const DiskPlace& place, const std::string& folder) {
  IoMax limit;
  limit.device = place.device;
  limit.wbps = 2 << 20;
  limit.asked_as = place.folder;
  TRY(const DummyRun run,
      runner.run("io", {"write", folder + "/write", "1500"}, {limit_of(LimitKind::io_max, limit)}));
  ::unlink((folder + "/write").c_str());
  return judge_io(run, limit, place.folder);
}

Result<Trial> try_nice(Runner& runner) {
  const int now = ::getpriority(PRIO_PROCESS, 0), wanted = std::min(now + 5, 19);
  if (wanted == now) return Trial{"nice", "19", Trial::Verdict::absent, "this shell is at 19 already"};
  TRY(const DummyRun run, runner.run("nice", {"settings"}, {limit_of(LimitKind::nice, Nice{wanted})}));
  return judge_setting(run, LimitKind::nice, std::to_string(wanted), "nice", wanted);
}

Result<Trial> try_ionice(Runner& runner) {
  const IoPriority wanted{IoPriority::Class::best_effort, 6};
  constexpr int kClassShift = 13;  // IOPRIO_CLASS_SHIFT
  TRY(const DummyRun run, runner.run("ionice", {"settings"}, {limit_of(LimitKind::ionice, wanted)}));
  return judge_setting(run, LimitKind::ionice, format_limit(LimitKind::ionice, wanted), "ionice",
                       (static_cast<int>(wanted.cls) << kClassShift) | wanted.level);
}

Result<Trial> try_oom_score(Runner& runner) {
  const auto now = parse_i64(trim(read_or_empty(AT_FDCWD, "/proc/self/oom_score_adj")));
  const int wanted = static_cast<int>(std::min<int64_t>(now.value_or(0) + 100, 1000));
  TRY(const DummyRun run,
      runner.run("oom", {"settings"}, {limit_of(LimitKind::oom_score_adj, OomScore{wanted})}));
  return judge_setting(run, LimitKind::oom_score_adj, std::to_string(wanted), "oom_score_adj", wanted);
}

Result<Trial> try_timeout(Runner& runner) {
  constexpr Duration kLimit = 300ms;
  TRY(const DummyRun run, runner.run("timeout", {"sleep"}, {}, kLimit));
  return judge_timeout(run, kLimit);
}

}  // namespace

Status run_selftest(const std::string& self, const std::function<void(const Trial&)>& tell) {
  const char* temporary = ::getenv("TMPDIR");
  TRY(Scratch scratch, Scratch::make(temporary && temporary[0] == '/' ? temporary : "/tmp"));
  Runner runner(self, std::move(scratch));
  const auto done = [&](Result<Trial> trial) -> Status {
    if (!trial) return std::unexpected(trial.error());
    tell(*trial);
    return {};
  };
  TRY_OK(done(try_cpu(runner)));
  TRY_OK(done(try_cpuset(runner)));
  TRY_OK(done(try_memory_max(runner)));
  TRY_OK(done(try_pids(runner)));
  // State is made by now, if it can be: its disk is the one to try.
  if (const auto place = find_disk_place()) {
    TRY(const Scratch on_disk, Scratch::make(place->folder));
    TRY_OK(done(try_memory_high(runner, on_disk.path())));
    TRY_OK(done(try_io(runner, *place, on_disk.path())));
  } else {
    for (const LimitKind kind : {LimitKind::memory_high, LimitKind::io_max})
      tell({std::string(limit_name(kind)), "", Trial::Verdict::absent, place.error().message()});
  }
  TRY_OK(done(try_nice(runner)));
  TRY_OK(done(try_ionice(runner)));
  TRY_OK(done(try_oom_score(runner)));
  TRY_OK(done(try_timeout(runner)));
  return {};
}

}  // namespace ffrtmp
