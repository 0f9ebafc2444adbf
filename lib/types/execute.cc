#include "types/execute.h"

#include <fcntl.h>
#include <poll.h>
#include <sched.h>
#include <signal.h>
#include <sys/resource.h>
#include <sys/signalfd.h>
#include <sys/stat.h>
#include <sys/timerfd.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <cmath>
#include <deque>
#include <filesystem>
#include <future>

#include "jobs/job_store.h"
#include "jobs/tail.h"
#include "media/energy.h"
#include "media/engine.h"
#include "media/progress.h"
#include "media/verify.h"
#include "proc/child.h"
#include "sys/clock.h"
#include "sys/file.h"
#include "sys/redact.h"
#include "sys/text.h"
#include "types/builtins.h"
#include "types/manifest.h"
#include "types/segments.h"
#include "types/step_io.h"

namespace ffrtmp {

namespace {

namespace fs = std::filesystem;
using namespace std::chrono_literals;

constexpr int kStepBroken = 70;  ///< a builtin step could not make sense of what it read (EX_SOFTWARE)

void say(const std::string& text) { (void)write_all(STDERR_FILENO, text); }

size_t usable_cpus() {
  cpu_set_t set;
  return ::sched_getaffinity(0, sizeof set, &set) == 0 ? static_cast<size_t>(std::max(1, CPU_COUNT(&set)))
                                                       : 1;
}

/// One line on a terminal that is written over.
class ProgressLine {
 public:
  explicit ProgressLine(bool on) : on_(on) {}
  bool on() const { return on_; }
  void show(const std::string& step, const MediaProgress& p, std::optional<double> total_s,
            std::optional<double> percent) {
    if (!on_) return;
    char part[96];
    std::string line = step;
    const auto add = [&](const char* before, int decimals, double value, const char* after) {
      snprintf(part, sizeof part, "  %s%.*f%s", before, decimals, value, after);
      line += part;
    };
    if (!percent && total_s && p.out_time_s) percent = std::clamp(*p.out_time_s / *total_s * 100, 0.0, 100.0);
    if (percent) add("", 1, *percent, " %");
    if (p.fps && *p.fps > 0) add("", 0, *p.fps, " fps");
    if (p.speed && *p.speed > 0) add("", 2, *p.speed, "x");
    if (total_s && p.out_time_s && p.speed && *p.speed > 0.001) {
      const long left = std::lround(std::max(0.0, *total_s - *p.out_time_s) / *p.speed);
      snprintf(part, sizeof part, "  ETA %ld:%02ld", left / 60, left % 60);
      line += part;
    } else if (p.out_time_s && !total_s) {
      add("at ", 0, *p.out_time_s, " s");
    }
    if (p.dropped && *p.dropped > 0) add("dropped ", 0, static_cast<double>(*p.dropped), "");
    say("\r\033[K" + line);
    shown_ = true;
  }
  void clear() {
    if (std::exchange(shown_, false)) say("\r\033[K");
  }

 private:
  bool on_, shown_ = false;
};

/// How a step or the whole job failed.
struct Failure {
  int code = 0;
  std::string reason;
};

class Executor {
 public:
  Executor(const JobPlan& plan, const ExecuteOptions& options)
      : plan_(plan), options_(options), folder_(options.folder), line_(options.progress_line) {}

  int run() {
    begin_ = monotonic_now();
    auto stops = stop_signals();
    if (!stops) {
      say("ffrtmp: " + stops.error().message() + "\n");
      return static_cast<int>(ExitCode::ours);
    }
    stops_ = std::move(*stops);
    Failure failure = work();
    line_.clear();
    if (keeper_) keeper_->collect();
    clean_up();
    energy_.sample();
    if (failure.code != 0 && options_.print_reason)
      say("ffrtmp: " + plan_.type + ": " + printable(redact_text(failure.reason)) + "\n");
    write_report(failure);
    return failure.code;
  }

 private:
  Failure work() {
    if (auto made = prepare(); !made) return {static_cast<int>(ExitCode::ours), made.error().message()};
    for (const auto& step : plan_.steps)
      if (Failure failure = run_step(step); failure.code != 0) return failure;
    if (stopped_ && !plan_.live) return stopped();
    if (keeper_) keeper_->collect();
    if (Failure failure = verify(); failure.code != 0) return failure;
    if (stopped_ && !plan_.live) return stopped();
    return publish();
  }
  Failure stopped() const {
    return {kSignalBase + stopped_,
            "it was told to stop before it was finished; nothing is kept under the final name"};
  }

  Status prepare() {
    clean_up();  // what an earlier run of this very job left
    if (::mkdir(plan_.work.c_str(), 0700) != 0) return sys_error("making folder", plan_.work);
    for (const auto& output : plan_.outputs) {
      if (output.kind != "folder") continue;
      if (::mkdir(output.temp.c_str(), 0777) != 0) return sys_error("making folder", output.temp);
      if (plan_.segment_list.empty()) continue;
      // Segments are shown as they are finished: their folder is there from the start.
      if (::mkdir(output.final.c_str(), 0777) != 0 && errno != EEXIST)
        return sys_error("making folder", output.final);
      keeper_.emplace(plan_.segment_list, output.temp, output.final, plan_.keep_age_s, plan_.keep_bytes,
                      level());
    }
    return {};
  }

  /// Everything that bears a temporary name of this job.
  void clean_up() const {
    std::error_code ignored;
    fs::remove_all(plan_.work, ignored);
    for (const auto& output : plan_.outputs)
      if (output.kind != "url" && output.temp != output.final) fs::remove_all(output.temp, ignored);
  }

  std::string progress_path() const { return (folder_.empty() ? plan_.work : folder_) + "/progress"; }

  struct Running {
    Child child;
    Fd err, out;
  };

  Failure run_step(const PlannedStep& step) {
    struct stat info {};
    if (!step.unless.empty() && ::stat(step.unless.c_str(), &info) == 0 && info.st_size > 0) return {};
    const Duration begin = monotonic_now();
    Failure failure = step.builtin.empty() ? run_commands(step) : run_builtins(step);
    steps_.push_back(
        {{"name", step.name}, {"seconds", seconds_of(monotonic_now() - begin)}, {"exit_code", failure.code}});
    if (step.may_fail && !stopped_) return {};
    return failure;
  }

  Failure run_builtins(const PlannedStep& step) const {
    for (const auto& arguments : step.commands)
      if (auto done = run_builtin(step.builtin, arguments); !done)
        return {kStepBroken, step.name + ": " + done.error().message()};
    return {};
  }

  Failure run_commands(const PlannedStep& step) {
    const Engine& engine = *engine_named(step.engine);
    const size_t workers = step.parallel ? std::min(usable_cpus(), step.commands.size()) : 1;
    const bool tells = step.commands.size() == 1;
    std::deque<Running> running;
    size_t next = 0;
    Failure failure;
    const bool ticking = line_.on() || !step.pattern.empty() || !engine.has_progress_file() || keeper_ ||
                         energy_.readable() || !plan_.live;
    // On a terminal a line that moves; elsewhere only what must be looked at: progress of programs that do
    // not write it themselves, finished segments, what errors pile up.
    const Duration tick = line_.on()                                                        ? 500ms
                          : keeper_ || !engine.has_progress_file() || !step.pattern.empty() ? 1s
                                                                                            : 10s;
    Fd timer(::timerfd_create(CLOCK_MONOTONIC, TFD_CLOEXEC | TFD_NONBLOCK));
    if (ticking) {
      itimerspec spec{};
      spec.it_value.tv_sec = spec.it_interval.tv_sec = tick / 1s;
      spec.it_value.tv_nsec = spec.it_interval.tv_nsec = (tick % 1s).count();
      ::timerfd_settime(timer.get(), 0, &spec, nullptr);
    }
    while (next < step.commands.size() || !running.empty()) {
      while (next < step.commands.size() && running.size() < workers && failure.code == 0 && !stopped_) {
        auto started = start(step, engine, step.commands[next++], tells);
        if (!started) {
          failure = {static_cast<int>(started.error().exit), step.name + ": " + started.error().message()};
          break;
        }
        running.push_back(std::move(*started));
      }
      if (running.empty()) break;
      wait_for_any(step, engine, running, timer.get());
      for (size_t i = 0; i < running.size();) {
        int status = 0;
        if (::waitpid(running[i].child.pid, &status, WNOHANG) != running[i].child.pid) {
          i++;
          continue;
        }
        Running done = std::move(running[i]);
        running.erase(running.begin() + static_cast<std::ptrdiff_t>(i));
        if (Failure ended = judge(step, engine, done, status); ended.code != 0 && failure.code == 0)
          failure = ended;
      }
    }
    if (failure.code == 0 && stopped_ && !plan_.live) return stopped();
    return failure;
  }

  Result<Running> start(const PlannedStep& step, const Engine& engine,
                        const std::vector<std::string>& arguments, bool tells) {
    Running out;
    ChildStreams streams;
    Fd null, file;
    const bool command = &engine == &command_engine();
    if (!command) {
      TRY(null, open_at(AT_FDCWD, "/dev/null", O_RDONLY));
      streams.in = null.get();
    }
    if (!step.out.empty()) {
      TRY(file, open_at(AT_FDCWD, step.out, O_WRONLY | O_CREAT | O_TRUNC, 0666));
      streams.out = file.get();
    } else if (!step.pattern.empty() || (!command && !engine.has_progress_file())) {
      TRY(out.out, memory_file("ffrtmp-out"));
      streams.out = out.out.get();
    } else if (!command) {
      TRY(file, open_at(AT_FDCWD, "/dev/null", O_WRONLY));
      streams.out = file.get();
    }
    // What a live job complains of is for its log as it comes; of other jobs the last of it is kept for the
    // reason.
    if ((!command && !plan_.live) || !step.pattern.empty()) {
      TRY(out.err, memory_file("ffrtmp-err"));
      streams.err = out.err.get();
    }
    const auto argv = full_command(step, arguments, tells ? progress_path() : "");
    TRY(out.child, start_child(argv, streams));
    return out;
  }

  void wait_for_any(const PlannedStep& step, const Engine& engine, std::deque<Running>& running, int timer) {
    std::vector<pollfd> waiting = {{stops_.get(), POLLIN, 0}, {timer, POLLIN, 0}};
    for (const auto& one : running) waiting.push_back({one.child.pidfd.get(), POLLIN, 0});
    // Told to stop: those who told us have told our children too (ffrtmp stop, a terminal's Ctrl-C), unless
    // they did not.
    const bool pass_on = stopped_ && !passed_on_;
    const int events = ::poll(waiting.data(), waiting.size(), told_ > 1 ? 500 : pass_on ? 2000 : -1);
    if (events == 0 && told_ > 1) {
      // Told twice, and the file no longer grows (or we would not have been): what is next is SIGKILL for all
      // of us, and nobody would be left to clear up.
      for (const auto& one : running) ::kill(one.child.pid, SIGKILL);
      return;
    }
    if (events == 0 && pass_on) {
      passed_on_ = true;
      for (const auto& one : running) ::kill(one.child.pid, SIGINT);
      return;
    }
    signalfd_siginfo told{};
    while (::read(stops_.get(), &told, sizeof told) == sizeof told) {
      told_++;
      if (!stopped_) stopped_ = static_cast<int>(told.ssi_signo);
    }
    uint64_t expirations;
    if (::read(timer, &expirations, sizeof expirations) == sizeof expirations) look(step, engine, running);
  }

  void look(const PlannedStep& step, const Engine& engine, const std::deque<Running>& running) {
    constexpr uint64_t kErrorsKept = 256 << 10;
    for (const auto& one : running)
      for (const Fd* fd : {&one.err, &one.out})
        if (*fd) (void)cap_file(fd->get(), kErrorsKept);
    if (keeper_) keeper_->collect();
    if (energy_.readable() && monotonic_now() - sampled_ > 5min) {
      energy_.sample();
      sampled_ = monotonic_now();
    }
    if (running.size() != 1 || step.commands.size() != 1) return;
    std::optional<double> percent;
    std::optional<MediaProgress> progress;
    if (!step.pattern.empty()) {
      std::string told = tail_of(running[0].out.get(), 16384);
      if (const auto found =
              match_last_line(step.pattern, told.empty() ? tail_of(running[0].err.get(), 16384) : told)) {
        percent = found->percent;
        progress.emplace();
        progress->out_time_s = found->seconds;
        progress->fps = found->fps;
        progress->speed = found->speed;
        if (found->frames) progress->frames = static_cast<uint64_t>(*found->frames);
        if (percent && !found->seconds && step.total_s) progress->out_time_s = *step.total_s * *percent / 100;
      }
    } else if (engine.has_progress_file()) {
      progress = read_progress(progress_path());
    } else if (running[0].out) {
      progress = engine.progress(tail_of(running[0].out.get(), 16384));
      if (progress && progress->out_time_s) {
        const double elapsed = seconds_of(monotonic_now() - begin_);
        if (elapsed > 0) progress->speed = *progress->out_time_s / elapsed;
      }
    }
    if (!progress) return;
    if (!engine.has_progress_file() || !step.pattern.empty()) {
      if (const auto file = open_at(AT_FDCWD, progress_path(), O_WRONLY | O_CREAT | O_TRUNC, 0600))
        (void)write_all(file->get(), as_ffmpeg_progress(*progress));
    }
    line_.show(plan_.type, *progress, step.total_s, percent);
  }

  Failure judge(const PlannedStep& step, const Engine& engine, const Running& done, int status) {
    std::string complaint;
    if (done.err) {
      const std::string text = tail_of(done.err.get(), 65536);
      for (const auto line : lines(text))
        if (!trim(line).empty()) complaint = trim(line);
      const bool failed = !WIFEXITED(status) || WEXITSTATUS(status) != 0;
      if (!text.empty() && (failed || !step.pattern.empty())) {
        line_.clear();
        say(redact_text(text));
      }
    }
    if (!step.pattern.empty() && done.out) (void)write_all(STDOUT_FILENO, tail_of(done.out.get(), 256 << 10));
    if (WIFSIGNALED(status)) {
      const int number = WTERMSIG(status);
      if (stopped_) return plan_.live ? Failure{} : stopped();
      const char* name = sigabbrev_np(number);
      return {kSignalBase + number, step.name + ": " + step.commands[0][0] + " was killed by SIG" +
                                        (name ? name : std::to_string(number))};
    }
    const int code = WEXITSTATUS(status);
    if (code == 0) return {};
    if (stopped_ && plan_.live && (engine.clean_stop(code) || &engine != &ffmpeg_engine())) return {};
    if (stopped_) return stopped();
    const std::string meaning = engine.exit_meaning(code);
    std::string reason = step.name + ": " +
                         (meaning.empty() ? program_of(step, engine) + " failed" : meaning) + " (exit code " +
                         std::to_string(code) + ")";
    if (!complaint.empty()) reason += ": \"" + complaint + "\"";
    return {code, reason};
  }
  static std::string program_of(const PlannedStep& step, const Engine& engine) {
    const auto argv = engine.command(step.commands[0], "");
    return argv[0].substr(argv[0].rfind('/') + 1);
  }

  VerifyLevel level() const {
    return plan_.verify == "full"   ? VerifyLevel::full
           : plan_.verify == "none" ? VerifyLevel::none
                                    : VerifyLevel::quick;
  }

  Failure verify() {
    const Duration begin = monotonic_now();
    // Digests are made on another CPU meanwhile.
    std::vector<std::future<Json>> manifests;
    for (const auto& output : plan_.outputs)
      manifests.push_back(std::async(std::launch::async, [&output] { return manifest_of(output); }));
    Failure failure;
    for (const auto& output : plan_.outputs)
      if ((output.kind == "file" || output.kind == "text") && !fs::exists(output.temp))
        failure = {kVerificationFailed, "the output " + output.name + " was not made"};
    for (const auto& check : plan_.checks) {
      if (failure.code != 0) break;
      VerifyOutcome outcome = verify_output(check.kind, check.path, check.expect, level());
      const std::string shown = shown_path(check.path);
      checked_.push_back({{"path", shown},
                          {"kind", check.kind},
                          {"ok", outcome.ok},
                          {"looked_at", outcome.looked.empty() ? Json(nullptr) : Json(outcome.looked)},
                          {"reason", outcome.ok ? Json(nullptr) : Json(outcome.reason)}});
      if (!outcome.probe.is_null()) probes_[shown] = outcome.probe;
      media_s_ = std::max(media_s_, outcome.duration_s);
      if (!outcome.ok)
        failure = {kVerificationFailed, "the output failed verification: " + shown_reason(outcome.reason)};
    }
    for (auto& manifest : manifests)
      for (Json& file : manifest.get()) {
        file["probe"] = at_or_null(probes_, text_or(file, "path"));
        manifest_.push_back(std::move(file));
      }
    verify_s_ = seconds_of(monotonic_now() - begin);
    return failure;
  }

  /// A path as it will be called, not as it is called while it is made.
  std::string shown_path(const std::string& path) const {
    for (const auto& output : plan_.outputs)
      if (!output.final.empty() && path.starts_with(output.temp))
        return output.final + path.substr(output.temp.size());
    return path;
  }
  std::string shown_reason(std::string reason) const {
    for (const auto& output : plan_.outputs)
      for (size_t at; !output.final.empty() && output.temp != output.final &&
                      (at = reason.find(output.temp)) != std::string::npos;)
        reason.replace(at, output.temp.size(), output.final);
    return reason;
  }

  Failure publish() {
    for (const auto& output : plan_.outputs) {
      if (output.kind == "url") continue;
      if (output.final.empty()) {
        const auto text = read_file(output.temp, 256 << 20);
        if (text) data_ = at_json(*text);
        if (text && options_.print_text) (void)write_all(STDOUT_FILENO, *text);
        continue;
      }
      if (auto moved = output.kind == "folder" ? move_folder(output) : move_file(output.temp, output.final);
          !moved)
        return {static_cast<int>(ExitCode::ours), moved.error().message()};
      if (output.kind == "text")
        if (const auto text = read_file(output.final, 1 << 20)) data_ = at_json(*text);
    }
    return {};
  }
  static Json at_json(const std::string& text) {
    constexpr size_t kLargestData = 256 << 10;
    if (text.size() > kLargestData) return nullptr;
    auto json = parse_json(text, "");
    return json ? *json : Json(nullptr);
  }
  static Status move_file(const std::string& from, const std::string& to) {
    if (::rename(from.c_str(), to.c_str()) != 0) return sys_error("renaming to", to);
    return {};
  }
  /// A new folder appears at once. Into one that is there, files are moved one by one, playlists last, so
  /// that whoever reads them finds what they name; nothing that is there is removed.
  static Status move_folder(const PlannedOutput& output) {
    if (::rename(output.temp.c_str(), output.final.c_str()) == 0) return {};
    if (errno != ENOTEMPTY && errno != EEXIST) return sys_error("renaming to", output.final);
    std::vector<std::string> files;
    std::error_code error;
    for (const auto& entry : fs::recursive_directory_iterator(output.temp, error)) {
      const std::string below = entry.path().string().substr(output.temp.size());
      if (entry.is_directory(error)) {
        if (::mkdir((output.final + below).c_str(), 0777) != 0 && errno != EEXIST)
          return sys_error("making folder", output.final + below);
      } else {
        files.push_back(below);
      }
    }
    const auto names_others = [](const std::string& name) {
      return name.ends_with(".m3u8") || name.ends_with(".mpd") || name.ends_with(".vtt");
    };
    std::ranges::stable_partition(files, [&](const std::string& name) { return !names_others(name); });
    for (const auto& below : files) TRY_OK(move_file(output.temp + below, output.final + below));
    return {};
  }

  void write_report(const Failure& failure) const {
    if (folder_.empty()) return;
    rusage own{}, children{};
    ::getrusage(RUSAGE_SELF, &own);
    ::getrusage(RUSAGE_CHILDREN, &children);
    const auto cpu = [](const rusage& u) {
      return static_cast<double>(u.ru_utime.tv_sec + u.ru_stime.tv_sec) +
             static_cast<double>(u.ru_utime.tv_usec + u.ru_stime.tv_usec) / 1e6;
    };
    const double seconds = seconds_of(monotonic_now() - begin_);
    double media_s = plan_.media_s.value_or(media_s_);
    if (plan_.live)
      if (const auto progress = read_progress(progress_path()); progress && progress->out_time_s)
        media_s = *progress->out_time_s;
    Json outputs = Json::array();
    if (failure.code == 0) outputs = manifest_;
    for (const auto& output : plan_.outputs)
      if (output.kind == "url")
        outputs.push_back(
            {{"path", redact(output.final)}, {"bytes", nullptr}, {"sha256", nullptr}, {"probe", nullptr}});
    std::vector<std::string> inputs;
    for (const auto& input : plan_.inputs) inputs.push_back(redact(input));
    Json parameters = plan_.parameters;
    for (auto& [key, value] : parameters.items())
      if (value.is_string()) value = redact(value.get<std::string>());
    Json verification = {{"level", plan_.verify},
                         {"passed", failure.code == 0                     ? Json(true)
                                    : failure.code == kVerificationFailed ? Json(false)
                                                                          : Json(nullptr)},
                         {"seconds", verify_s_},
                         {"checks", checked_}};
    const Json report = {
        {"type", plan_.type},
        {"version", plan_.version},
        {"engine", plan_.engine.empty() ? Json(nullptr) : Json(plan_.engine)},
        {"parameters", parameters},
        {"notes", plan_.notes},
        {"inputs", inputs},
        {"outputs", outputs},
        {"verification", verification},
        {"steps", steps_},
        {"media_s", media_s > 0 ? Json(media_s) : Json(nullptr)},
        {"realtime_factor", media_s > 0 && seconds > 0 ? Json(media_s / seconds) : Json(nullptr)},
        {"core_seconds", cpu(own) + cpu(children)},
        {"joules", energy_.readable() ? Json(energy_.joules()) : Json(nullptr)},
        {"joules_of",
         energy_.readable() ? Json("the processor packages, everything on them included") : Json(nullptr)},
        {"segments", keeper_ ? Json(keeper_->count()) : Json(nullptr)},
        {"broken_segments", keeper_ ? keeper_->broken() : Json(nullptr)},
        {"data", data_},
        {"reason", failure.code == 0 ? Json(nullptr) : Json(redact_text(failure.reason))}};
    if (const auto dir = open_dir(AT_FDCWD, folder_))
      (void)write_atomic(dir->get(), kReportFile, dump_json(report, 1) + "\n");
  }

  const JobPlan& plan_;
  const ExecuteOptions& options_;
  std::string folder_;
  ProgressLine line_;
  EnergyMeter energy_;
  Fd stops_;
  std::optional<SegmentKeeper> keeper_;
  Duration begin_{}, sampled_ = monotonic_now();
  int stopped_ = 0, told_ = 0;
  bool passed_on_ = false;
  double media_s_ = 0, verify_s_ = 0;
  Json steps_ = Json::array(), checked_ = Json::array(), manifest_ = Json::array(), probes_ = Json::object(),
       data_;
};

}  // namespace

int execute_plan(const JobPlan& plan, const ExecuteOptions& options) { return Executor(plan, options).run(); }

}  // namespace ffrtmp
