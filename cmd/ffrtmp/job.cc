#include <fcntl.h>
#include <unistd.h>

#include <algorithm>

#include "job_pages.h"
#include "job_request_file.h"
#include "jobs/job_id.h"
#include "print.h"
#include "run_options.h"
#include "sys/file.h"
#include "sys/redact.h"
#include "sys/text.h"
#include "types/plan.h"
#include "verb.h"

namespace ffrtmp {

namespace {

Result<int> check_files(const Arguments& arguments) {
  std::vector<std::string> files = arguments.positionals;
  files.insert(files.end(), arguments.command.begin(), arguments.command.end());
  if (files.empty()) return bad_input("--check:", "which file?", "ffrtmp job --check FILE.toml");
  for (const auto& file : files) {
    TRY(const std::string text, read_file(file));
    TRY(const JobType type, parse_job_type(text, file));
    TRY_OK(Status(
        print_out(file + ": " + type.name + ", version " + std::to_string(type.version) + ": sound\n") == 0
            ? Status{}
            : Status(bad_input("standard output cannot be written", ""))));
  }
  return 0;
}

Result<int> list_types(bool json) {
  const FoundTypes found = load_job_types();
  for (const auto& error : found.broken) print_err("ffrtmp: left out: " + error.message() + "\n");
  if (json) {
    Json out = Json::array();
    for (const auto& type : found.types) out.push_back(type_json(type));
    return print_out(dump_json(out, 1) + "\n");
  }
  std::vector<std::vector<std::string>> rows{{"TYPE", "VERSION", "WHAT IT DOES"}};
  for (const auto& type : found.types)
    rows.push_back({type.name, std::to_string(type.version), type.summary});
  return print_out(table(rows));
}

Result<int> show_type(const Arguments& arguments) {
  if (arguments.positionals.size() != 2)
    return bad_input("ffrtmp job show: which type?", "", "ffrtmp job list has them");
  TRY(const JobType type, find_job_type(arguments.positionals[1]));
  return print_out(arguments.has("json") ? dump_json(type_json(type), 1) + "\n" : type_page(type));
}

Result<JobRequest> read_job(const Arguments& arguments, const JobType& type) {
  JobRequest out;
  out.inputs.assign(arguments.positionals.begin() + 1, arguments.positionals.end());
  const bool takes_rest = std::ranges::any_of(type.parameters, &ParameterSpec::rest);
  if (takes_rest)
    out.rest = arguments.command;
  else  // as everywhere: what follows "--" is no option, whatever it looks like
    out.inputs.insert(out.inputs.end(), arguments.command.begin(), arguments.command.end());
  out.outputs = arguments.values("output");
  for (const auto& given : arguments.values("param")) {
    const size_t equals = given.find('=');
    if (equals == 0 || equals == std::string::npos)
      return bad_input("-p:", "\"" + redact(given) + "\"", "give it as NAME=VALUE");
    out.parameters.emplace_back(given.substr(0, equals), given.substr(equals + 1));
  }
  out.verify = arguments.value("verify");
  return out;
}

/// The type's own limits and time limit, below what the command line says.
Status add_type_defaults(const JobType& type, RunRequest& request) {
  for (const auto& limit : type.limits)
    if (std::ranges::find(request.limits, limit.kind, &Limit::kind) == request.limits.end())
      request.limits.push_back(limit);
  std::ranges::stable_sort(request.limits, {}, &Limit::kind);
  request.placement.controllers = controllers_of(request.limits);
  if (!request.timeout) request.timeout = type.timeout;
  return {};
}

RestartPolicy policy_named(const std::string& when) {
  return when == "always"       ? RestartPolicy::always
         : when == "on-failure" ? RestartPolicy::on_failure
                                : RestartPolicy::no;
}

RestartRule restart_rule(const LiveSpec& live) {
  RestartRule out;
  out.when = live.restart == RestartPolicy::always       ? RestartRule::When::always
             : live.restart == RestartPolicy::on_failure ? RestartRule::When::on_failure
                                                         : RestartRule::When::no;
  out.backoff = live.backoff;
  out.longest = live.longest_backoff;
  out.most = live.most;
  out.stall = live.stall;
  out.on_stall = live.restart_on_stall && live.restart != RestartPolicy::no;
  return out;
}

/// --restart, --restart-max and --stall over what the type says.
Status read_live(const Arguments& arguments, const JobType& type, LiveSpec& live) {
  for (const char* option : {"restart", "restart-max", "stall"})
    if (arguments.has(option) && !live.live)
      return bad_input("--" + std::string(option) + " is for live types, not", type.name);
  if (arguments.has("restart")) {
    const std::string when = arguments.value("restart");
    if (when != "no" && when != "on-failure" && when != "always")
      return bad_input("--restart:", "\"" + when + "\"", "give no, on-failure or always");
    live.restart = policy_named(when);
  }
  if (arguments.has("restart-max")) {
    const auto most = parse_u64(arguments.value("restart-max"));
    if (!most || *most > 1'000'000)
      return bad_input("--restart-max:", "\"" + arguments.value("restart-max") + "\"",
                       "give a number, 0 for no bound");
    live.most = static_cast<unsigned>(*most);
  }
  if (arguments.has("stall")) {
    const auto stall = parse_duration(arguments.value("stall"));
    if (!stall) return bad_input("--stall: " + stall.error().step, stall.error().object, stall.error().hint);
    live.stall = *stall;
  }
  return {};
}

/// Lets go of the request's lock as soon as the workload runs; in the recorder, which would keep it for days.
class UnlockingPrinter final : public RunListener {
 public:
  UnlockingPrinter(RunListener& printer, Fd& lock) : printer_(printer), lock_(lock) {}
  void started(const Record& record) override {
    lock_.reset();
    printer_.started(record);
  }
  bool wants_result() const override { return printer_.wants_result(); }
  void ended(const Record& record, const Ending& ending, const Verdict& verdict,
             const Json& result) override {
    printer_.ended(record, ending, verdict, result);
  }

 private:
  RunListener& printer_;
  Fd& lock_;
};

/// The job of --request FILE: nothing else may say what it is.
Result<JobRequestFile> job_of_file(const Arguments& arguments) {
  if (!arguments.positionals.empty() || arguments.has_command || arguments.has("param") ||
      arguments.has("output") || arguments.has("verify"))
    return bad_input("--request holds the whole job:", arguments.value("request"),
                     "leave type, inputs, -o, -p and --verify out");
  return read_request_file(arguments.value("request"));
}

Result<int> run_type(Arguments arguments) {
  JobRequestFile file;
  if (arguments.has("request")) {
    TRY(file, job_of_file(arguments));
  } else {
    file.type = arguments.positionals[0];
  }
  TRY(const JobType type, find_job_type(file.type));
  JobRequest asked = std::move(file.request);
  if (!arguments.has("request")) {
    TRY(asked, read_job(arguments, type));
  }
  LiveSpec live = type.live;
  TRY_OK(read_live(arguments, type, live));
  if (!arguments.has("profile") && !type.profile.empty())
    arguments.options.push_back({"profile", type.profile});
  TRY(const std::string self, own_program());
  // What stands in the process list and in ps; the workload itself reads its plan.
  std::vector<std::string> shown = {self, "job-steps", type.name};
  shown.insert(shown.end(), asked.inputs.begin(), asked.inputs.end());
  for (const auto& output : asked.outputs) shown.insert(shown.end(), {"-o", output});
  TRY(RunRequest request, read_run_options(arguments, redact(shown)));
  if (!arguments.has("job-id")) request.job_id = make_job_id(type.name);
  TRY_OK(add_type_defaults(type, request));
  asked.job_id = request.job_id;
  EncoderBook encoders;
  TRY(const JobPlan plan, make_plan(type, asked, encoders));
  if (!plan.restart.empty() && !arguments.has("restart")) live.restart = policy_named(plan.restart);
  const bool json = arguments.has("json");
  if (arguments.has("dry-run"))
    return print_out(json ? dump_json(redacted(to_json(plan)), 1) + "\n" : plan_page(plan));
  const bool quiet = arguments.has("quiet") || (!::isatty(STDERR_FILENO) && request.limits.empty());
  if (!quiet)
    for (const auto& note : plan.notes) print_err("ffrtmp: " + printable(note) + "\n");
  if (json) request.environment.emplace_back("FFRTMP_JOB_JSON=1");
  if (arguments.has("quiet")) request.environment.emplace_back("FFRTMP_JOB_QUIET=1");
  // The ending that we print has the reason in it.
  if (!quiet && request.mode == RunRequest::Mode::foreground)
    request.environment.emplace_back("FFRTMP_JOB_REASON=no");
  request.job = DeclaredJob{type.name, dump_json(to_json(plan)), restart_rule(live), plan.media_s};
  RunPrinter printer(quiet, json, request.mode);
  UnlockingPrinter unlocking(printer, file.lock);
  return run_job(request, unlocking);
}

Result<int> job_verb(const Arguments& arguments) {
  if (arguments.has("check")) return check_files(arguments);
  if (arguments.has("request")) return run_type(arguments);
  if (arguments.positionals.empty())
    return bad_input("which job type?", "",
                     "ffrtmp job list has them; ffrtmp job TYPE [INPUT...] [-o OUTPUT] runs one");
  if (arguments.positionals[0] == "list") {
    if (arguments.positionals.size() > 1)
      return bad_input("ffrtmp job list takes no argument:", arguments.positionals[1]);
    return list_types(arguments.has("json"));
  }
  if (arguments.positionals[0] == "show") return show_type(arguments);
  return run_type(arguments);
}

}  // namespace

const Verb kJobVerb = {
    "job",
    "TYPE [INPUT...] [-o OUTPUT] [-p KEY=VALUE...] | list | show TYPE | --check FILE",
    "Run a declared media job inside limits, verify what it made, then show it.",
    with_run_options({
        {"output", 'o', "PATH", "where to: a file, folder or address", true},
        {"param", 'p', "KEY=VALUE", "a parameter of the type (ffrtmp job show TYPE)", true},
        {"request", 0, "FILE", "the job from a file (0600), so that no secret is an argument"},
        {"verify", 0, "HOW", "quick (the default), full (decode all of it), none"},
        {"restart", 0, "WHEN", "live types: no, on-failure, always"},
        {"restart-max", 0, "N", "live types: most restarts, 0 for no bound"},
        {"stall", 0, "DUR", "live types: media time that stands still so long"},
        {"dry-run", 0, nullptr, "print each command, quoted for a shell; run nothing"},
        {"check", 0, nullptr, "only read a type's file and say what is wrong with it"},
    }),
    "",
    job_verb,
};

}  // namespace ffrtmp
