#include "jobs/run.h"

#include <fcntl.h>
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>

#include "jobs/adoption.h"
#include "jobs/observe.h"
#include "sys/clock.h"
#include "sys/file.h"
#include "sys/redact.h"
#include "sys/text.h"

namespace ffrtmp {

namespace {

/// For what goes wrong where no caller is left to return it to, or where the job goes on all the same.
void complain(const Error& error) {
  (void)!::dprintf(STDERR_FILENO, "ffrtmp: %s\n", redact_text(error.message()).c_str());
}

void write_result_file(const std::string& path, const Json& result) {
  if (path.empty()) return;
  const size_t slash = path.rfind('/');
  const std::string folder = slash == std::string::npos ? "." : slash == 0 ? "/" : path.substr(0, slash);
  const std::string name = slash == std::string::npos ? path : path.substr(slash + 1);
  const auto dir = open_dir(AT_FDCWD, folder);
  const auto written = dir ? write_atomic(dir->get(), name, dump_json(result, 1) + "\n", 0644)
                           : Status(std::unexpected(dir.error()));
  if (!written) complain(written.error());
}

/// Whether a job that has ended is to be started again.
bool starts_again(const RunRequest& request, const Launched& job, const Ending& ending,
                  const Verdict& verdict) {
  if (!job.again || ending.detached_by || ending.timed_out || ending.operator_stopped) return false;
  const RestartRule& rule = request.job->restart;
  if (rule.most > 0 && job.record.restarts >= rule.most) return false;
  if (ending.stalled) return true;
  const int code = exit_code_of(verdict);
  // What cannot be started now cannot be started in a second either.
  if (code >= static_cast<int>(ExitCode::ours) && code <= static_cast<int>(ExitCode::not_found)) return false;
  return rule.when == RestartRule::When::always || code != 0;
}

/// Waits for a job, and starts it again as often as its rule says.
Ending observe_with_restarts(Launched& job, const RunRequest& request, const Host& host,
                             const JobStore* store) {
  const auto settled = [&] {
    if (store) store->sweep(job.record.job_id);
  };
  Duration pause = request.job ? request.job->restart.backoff : Duration{};
  unsigned stalls = 0;
  for (;;) {
    const Duration begin = monotonic_now();
    Ending ending = observe(job, request, settled);
    stalls += ending.stalls;
    ending.stalls = stalls;
    const Verdict verdict = judge(job.record, ending);
    if (!starts_again(request, job, ending, verdict)) return ending;
    const RestartRule& rule = request.job->restart;
    if (monotonic_now() - begin > rule.longest) pause = rule.backoff;  // it ran well for a time: begin anew
    complain({"job " + job.record.job_id + ": " + verdict.reason + "; starting it again in " +
                  format_duration(pause),
              "", 0, "", ExitCode::ours});
    if (!wait_before_restart(job, pause, ending)) {
      ending.detached_by.reset();  // nothing runs that could be let go of: it has ended as it has
      return ending;
    }
    pause = std::min(pause * 2, rule.longest);
    if (const auto started = relaunch(job); !started) {
      complain(started.error());
      return ending;
    }
    if (!store) continue;
    if (const auto changed = change_again(host, *store, job.first, job.record); !changed)
      complain(changed.error());
  }
}

/// Waits for a launched job and settles it: result written, folders removed. Returns the exit code.
int settle(Launched& job, const RunRequest& request, const Host& host, const JobStore* store,
           RunListener& listener) {
  const Ending ending = observe_with_restarts(job, request, host, store);
  if (job.folder) job.folder->take_changes(job.record);
  const Verdict verdict = judge(job.record, ending);
  const bool over = ending.left_behind == 0;
  const bool keep = job.folder && (request.keep || !over);
  const Json result = keep || !request.result_file.empty() || listener.wants_result()
                          ? make_result(job.record, ending, verdict)
                          : Json();
  if (verdict.outcome == Outcome::detached) {
    job.record.observer.reset();
    if (job.folder) (void)job.folder->write_record(job.record);
    listener.ended(job.record, ending, verdict, result);
    return kSignalBase + *ending.detached_by;
  }
  write_result_file(request.result_file, result);
  if (keep) (void)job.folder->write_result(result);
  if (over) (void)job.leaf.remove();
  if (job.folder && !keep) (void)store->forget(job.record.job_id);
  listener.ended(job.record, ending, verdict, result);
  if (store) store->sweep(job.record.job_id);
  return exit_code_of(verdict);
}

/// Descriptors that our caller left open for us beyond the standard three.
std::vector<int> inherited_descriptors() {
  std::vector<int> out;
  const auto dir = open_dir(AT_FDCWD, "/proc/self/fd");
  if (!dir) return out;
  for (const auto& name : names_in(dir->get()))
    if (const auto fd = parse_i64(name); fd && *fd > STDERR_FILENO && *fd != dir->get()) {
      const int flags = ::fcntl(static_cast<int>(*fd), F_GETFD);
      if (flags >= 0 && !(flags & FD_CLOEXEC)) out.push_back(static_cast<int>(*fd));
    }
  return out;
}

/// The recorder's life: launch, tell the caller how it went, wait, write the result.
[[noreturn]] void record_job(const RunRequest& request, const Host& host, const JobStore* store,
                             std::optional<Base> base, const Leaf& recorders, Fd report,
                             RunListener& listener) {
  if (base)
    if (const auto stood = stand_in(host, *base, recorders); !stood)
      complain(
          {"the recorder stays in the caller's cgroup:", stood.error().message(), 0, "", ExitCode::ours});
  ::setsid();
  block_signals();
  // The workload may be meant to have them; the recorder would only keep a pipe or a deleted file of its
  // caller open.
  const std::vector<int> inherited = inherited_descriptors();
  auto job = launch(request, host, store, std::move(base), nullptr, nullptr);
  for (const int fd : inherited) ::close(fd);
  unsigned char code = 0;
  if (job) {
    listener.started(job->record);
  } else {
    code = static_cast<unsigned char>(job.error().exit);
    complain(job.error());
  }
  // From here on nobody's terminal, pipe or folder is held.
  const Fd null(::open("/dev/null", O_RDWR | O_CLOEXEC));
  for (const int fd : {STDIN_FILENO, STDOUT_FILENO, STDERR_FILENO}) ::dup2(null.get(), fd);
  (void)!::chdir("/");
  (void)!::write(report.get(), &code, 1);
  report.reset();
  if (!job) ::_exit(code);
  ::_exit(settle(*job, request, host, store, listener));
}

Result<int> run_detached(const RunRequest& request, const Host& host, const JobStore* store,
                         RunListener& listener) {
  TRY(const auto candidates, placement_candidates(host, request.placement));
  int pipe_ends[2];
  if (::pipe2(pipe_ends, O_CLOEXEC) != 0) return sys_error("making a pipe", "");
  Fd report(pipe_ends[0]), its_report(pipe_ends[1]);
  pid_t pid = -1;
  std::optional<Base> base;
  Leaf recorders;
  for (int round = 0; round < 4 && pid < 0; round++) {
    for (const PlacementKind kind : candidates) {
      auto opened = open_base(host, kind, request.placement);
      if (!opened) continue;  // launch() tries again and tells why
      auto leaf = shared_leaf(*opened, kRecordersLeaf);
      if (!leaf) continue;
      base = std::move(*opened);
      recorders = std::move(*leaf);
      break;
    }
    const auto* v2 = recorders.unified();
    auto forked = fork_into(v2 ? v2->fd.get() : -1);
    if (forked)
      pid = *forked;
    else if (forked.error().errnum != ENOENT && forked.error().errnum != ENODEV)
      return std::unexpected(forked.error());
  }
  if (pid < 0) return bad_input("the scope for jobs went away again and again", "");
  if (pid == 0) {
    report.reset();
    record_job(request, host, store, std::move(base), recorders, std::move(its_report), listener);
  }
  its_report.reset();
  unsigned char code = 0;
  ssize_t got;
  while ((got = ::read(report.get(), &code, 1)) < 0 && errno == EINTR) {
  }
  if (got != 1) return bad_input("the recorder was killed before the job had started", request.job_id);
  if (code != 0) {
    while (::waitpid(pid, nullptr, 0) < 0 && errno == EINTR) {
    }
  }
  return code;
}

}  // namespace

Result<int> run_job(const RunRequest& request, RunListener& listener) {
  const Host host = probe_host();
  const auto opened = JobStore::open();
  const JobStore* store = opened ? &*opened : nullptr;
  if (!store) complain({opened.error().message(), "", 0, "running without", ExitCode::ours});
  switch (request.mode) {
    case RunRequest::Mode::detached: {
      // What is wrong with the request is told before anything is made.
      TRY(const std::string program, find_program(request.argv[0], request.environment, request.workdir));
      return run_detached(request, host, store, listener);
    }
    case RunRequest::Mode::exec: {
      const auto tell = [](const Record& record, void* opaque) {
        static_cast<RunListener*>(opaque)->started(record);
      };
      auto job = launch(request, host, store, std::nullopt, tell, &listener);
      return std::unexpected(job.error());
    }
    case RunRequest::Mode::foreground: break;
  }
  block_signals();
  TRY(Launched job, launch(request, host, store, std::nullopt, nullptr, nullptr));
  listener.started(job.record);
  return settle(job, request, host, store, listener);
}

}  // namespace ffrtmp
