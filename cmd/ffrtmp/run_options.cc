#include "run_options.h"

#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>

#include "jobs/job_id.h"
#include "jobs/profile.h"
#include "limit_options.h"
#include "print.h"
#include "sys/environment.h"
#include "sys/text.h"

namespace ffrtmp {

namespace {

Result<LogTarget> read_log(const std::string& text) {
  if (text.empty()) return bad_input("--log:", "\"\"", "give a file, journal, inherit or null");
  if (text == "inherit") return LogTarget{LogTarget::Kind::inherit, ""};
  if (text == "null") return LogTarget{LogTarget::Kind::null, ""};
  if (text == "journal") return LogTarget{LogTarget::Kind::journal, ""};
  if (text.starts_with("/")) return LogTarget{LogTarget::Kind::file, text};
  // The recorder moves to / : what was meant is below the present folder.
  char here[4096];
  if (!::getcwd(here, sizeof here)) return sys_error("finding the present folder for --log", text);
  return LogTarget{LogTarget::Kind::file, std::string(here) + "/" + text};
}

Result<std::vector<std::string>> read_environment(const Arguments& arguments) {
  auto out = own_environment();
  for (const auto& assignment : arguments.values("env")) {
    const size_t equals = assignment.find('=');
    if (equals == 0 || equals == std::string::npos)
      return bad_input("--env:", "\"" + assignment.substr(0, equals) + "\"", "give NAME=VALUE");
    std::erase_if(out,
                  [&](const std::string& old) { return old.starts_with(assignment.substr(0, equals + 1)); });
    out.push_back(assignment);
  }
  return out;
}

/// The absolute path of a file that can be written later, when the job has ended and nothing can be mended
/// any more.
Result<std::string> read_result_file(const std::string& text) {
  std::string path = text;
  if (!path.starts_with("/")) {
    char here[4096];
    if (!::getcwd(here, sizeof here)) return sys_error("finding the present folder for --result-file", text);
    path = std::string(here) + "/" + text;
  }
  const std::string folder = path.substr(0, std::max<size_t>(1, path.rfind('/')));
  struct stat info {};
  if (text.empty() || path.ends_with("/") || (::stat(path.c_str(), &info) == 0 && S_ISDIR(info.st_mode)))
    return bad_input("--result-file:", "\"" + text + "\"", "give the name of a file");
  if (::access(folder.c_str(), W_OK | X_OK) != 0)
    return sys_error("--result-file: writing to folder", folder);
  return path;
}

Status check_modes(const Arguments& arguments) {
  const auto contradict = [&](const char* a, const char* b) -> Status {
    if (arguments.has(a) && arguments.has(b))
      return bad_input(std::string("--") + a + " and --" + b + " contradict each other", "");
    return {};
  };
  TRY_OK(contradict("exec", "detach"));
  TRY_OK(contradict("exec", "timeout"));
  TRY_OK(contradict("exec", "result-file"));
  TRY_OK(contradict("exec", "forward-signals"));
  TRY_OK(contradict("exec", "log-max"));
  TRY_OK(contradict("detach", "forward-signals"));
  TRY_OK(contradict("thread-fit", "no-thread-fit"));
  return {};
}

}  // namespace

Result<RunRequest> read_run_options(const Arguments& arguments, std::vector<std::string> argv) {
  TRY_OK(check_modes(arguments));
  RunRequest out;
  out.argv = std::move(argv);
  out.mode = arguments.has("detach") ? RunRequest::Mode::detached
             : arguments.has("exec") ? RunRequest::Mode::exec
                                     : RunRequest::Mode::foreground;
  out.keep = arguments.has("job-id") || out.mode == RunRequest::Mode::detached;
  out.job_id = arguments.has("job-id") ? arguments.value("job-id") : make_job_id(out.argv[0]);
  TRY_OK(check_job_id(out.job_id));
  TRY(out.limits, read_limits(arguments));
  TRY(out.required, read_required(arguments, out.limits));
  TRY(out.placement, read_placement(arguments));
  out.placement.controllers = controllers_of(out.limits);
  out.placement.by_moving = out.mode == RunRequest::Mode::exec;
  out.placement.leave_callers_unit = out.mode == RunRequest::Mode::detached;
  TRY(out.environment, read_environment(arguments));
  if (arguments.has("workdir")) {
    out.workdir = arguments.value("workdir");
    struct stat info {};
    if (::stat(out.workdir->c_str(), &info) != 0) return sys_error("--workdir:", *out.workdir);
    if (!S_ISDIR(info.st_mode)) return sys_error("--workdir:", *out.workdir, ENOTDIR);
  }
  if (arguments.has("timeout")) {
    const auto timeout = parse_duration(arguments.value("timeout"));
    if (!timeout)
      return bad_input("--timeout: " + timeout.error().step, timeout.error().object, timeout.error().hint);
    out.timeout = *timeout;
  }
  if (out.mode == RunRequest::Mode::detached)
    out.log.kind = LogTarget::Kind::job_folder, out.log_cap = kDefaultLogCap;
  if (arguments.has("log")) {
    TRY(out.log, read_log(arguments.value("log")));
    out.log_cap.reset();  // a file that the operator named is theirs: it is capped only if they say so
  }
  if (arguments.has("log-max")) {
    const auto cap = parse_bytes(arguments.value("log-max"));
    if (!cap) return bad_input("--log-max: " + cap.error().step, cap.error().object, cap.error().hint);
    out.log_cap = cap->count;
  }
  out.thread_fit = !arguments.has("no-thread-fit");
  out.forward_signals = arguments.has("forward-signals");
  if (arguments.has("result-file")) {
    TRY(out.result_file, read_result_file(arguments.value("result-file")));
  }
  return out;
}

void RunPrinter::started(const Record& record) {
  if (!quiet_) print_err(receipt_text(record, colour_on(STDERR_FILENO)));
  if (mode_ == RunRequest::Mode::foreground) return;
  // Nobody of ours will be here to tell how it ends: what there is to tell is how it began.
  if (json_)
    print_out(dump_json({{"schema", 1},
                         {"job_id", record.job_id},
                         {"identity", record.workload ? to_json(*record.workload) : Json(nullptr)},
                         {"started_at", rfc3339(record.started_at)},
                         {"receipt", to_json(record.receipt)}}) +
              "\n");
  else if (mode_ == RunRequest::Mode::detached)
    print_out(record.job_id + "\n");
}

void RunPrinter::ended(const Record& record, const Ending& ending, const Verdict& verdict,
                       const Json& result) {
  if (mode_ != RunRequest::Mode::foreground) return;
  if (!quiet_) print_err(ending_text(record, ending, verdict));
  if (json_) print_out(dump_json(result) + "\n");
}

std::vector<OptionSpec> with_run_options(std::vector<OptionSpec> own) {
  return with_limit_options(
      std::move(own),
      {
          {"job-id", 0, "ID", "its name for ps, status, stop; made up otherwise"},
          {"timeout", 0, "DUR", "stop it after this time (90s, 1h30m): exit code 124"},
          {"detach", 'd', nullptr, "return at once; a recorder waits for its end"},
          {"log", 0, "FILE|WORD", "stdout and stderr: a file, journal, inherit, null"},
          {"log-max", 0, "SIZE", "cap on the log's space (detached: 4M)"},
          {"workdir", 0, "DIR", "folder to start in"},
          {"env", 0, "K=V", "environment variable; repeatable", true},
          {"thread-fit", 0, nullptr, "fit the CPU affinity to the quota (the default)"},
          {"no-thread-fit", 0, nullptr, "leave the CPU affinity alone"},
          {"forward-signals", 0, nullptr, "pass signals on instead of letting go (containers)"},
          {"json", 0, nullptr, "the result as JSON on stdout"},
          {"result-file", 0, "FILE", "the result as JSON in a file"},
          {"quiet", 'q', nullptr, "no receipt and no ending on stderr"},
      });
}

}  // namespace ffrtmp
