#include <algorithm>

#include "jobs/job_id.h"
#include "jobs/observe.h"
#include "jobs/vigil.h"
#include "limit_options.h"
#include "print.h"
#include "proc/processes.h"
#include "sys/file.h"
#include "sys/text.h"
#include "verb.h"
#include "watch/find.h"

namespace ffrtmp {

namespace {

Result<std::vector<pid_t>> read_pids(const Arguments& arguments) {
  std::vector<pid_t> out;
  for (const auto& text : arguments.values("pid")) {
    const auto pid = parse_u64(text);
    if (!pid || *pid == 0 || *pid > INT32_MAX)
      return bad_input("--pid: not a process id:", "\"" + text + "\"", "give a number, as ps shows it");
    if (std::ranges::find(out, static_cast<pid_t>(*pid)) != out.end())
      return bad_input("--pid names this process twice:", text);
    out.push_back(static_cast<pid_t>(*pid));
  }
  return out;
}

/// Whom it is about, as it was said: by number, or by what they are.
struct Target {
  pid_t pid = 0;
  std::optional<ProcessIdentity> only;
};

Result<std::vector<Target>> read_targets(const Arguments& arguments, const JobStore& store) {
  std::vector<Target> out;
  TRY(const auto pids, read_pids(arguments));
  for (const pid_t pid : pids) out.push_back({pid, std::nullopt});
  const Wanted wanted{arguments.value("name"), arguments.value("unit")};
  for (const char* option : {"name", "unit"}) {
    if (!arguments.has(option)) continue;
    if (arguments.value(option).empty()) return bad_input("--" + std::string(option) + " is empty", "");
    if (!pids.empty())
      return bad_input("--pid and --" + std::string(option) + " both say whom:", arguments.value(option),
                       "give one of them");
  }
  if (wanted.name.contains('/'))
    return bad_input("--name is a path:", wanted.name, "give the executable's file name alone");
  if (wanted.name.empty() && wanted.unit.empty()) return out;
  TRY(const auto found, find_processes(store, wanted));
  for (const auto& identity : found) out.push_back({identity.pid, identity});
  return out;
}

Result<AdoptRequest> read_request(const Arguments& arguments) {
  AdoptRequest out;
  TRY(out.plan.limits, read_limits(arguments));
  TRY(out.change.required, read_required(arguments, out.plan.limits));
  TRY(out.plan.placement, read_placement(arguments));
  out.plan.move = arguments.has("move");
  out.change.limits = out.plan.limits;
  out.change.force = arguments.has("force");
  return out;
}

/// A name for the job: the one that was given, or one after the program.
std::string job_name(const Arguments& arguments, pid_t pid) {
  if (arguments.has("job-id")) return arguments.value("job-id");
  const auto stat = stat_of(pid);
  return make_job_id(stat ? stat->comm : "job");
}

Result<int> show_plans(const Host& host, const JobStore& store, AdoptRequest request,
                       const std::vector<Target>& targets, bool json) {
  std::string out;
  Json list = Json::array();
  for (const auto& target : targets) {
    request.pid = target.pid;
    request.only = target.only;
    TRY(const auto planned, plan_adoption(host, store, request));
    out += plan_text(planned.first, planned.second);
    list.push_back(to_json(planned.first, planned.second));
  }
  return print_out(json ? dump_json(list, 1) + "\n" : out);
}

class Printer {
 public:
  Printer(bool quiet, bool json) : quiet_(quiet), json_(json) {}
  void started(const AdoptedJob& job, bool once) const {
    if (!quiet_) print_err(receipt_text(job.record, colour_on(STDERR_FILENO)));
    if (!once) return;
    if (json_)
      print_out(dump_json({{"schema", 1},
                           {"job_id", job.record.job_id},
                           {"identity", job.record.workload ? to_json(*job.record.workload) : Json(nullptr)},
                           {"started_at", rfc3339(job.record.started_at)},
                           {"receipt", to_json(job.record.receipt)}}) +
                "\n");
    else
      print_out(job.record.job_id + "\n");
  }
  void ended(const AdoptedJob& job, const Settled& end) const {
    if (!quiet_) print_err(ending_text(job.record, end.ending, end.verdict));
    if (json_ && !end.result.is_null()) print_out(dump_json(end.result) + "\n");
  }

 private:
  bool quiet_, json_;
};

Result<int> watch_again(const Host& host, const JobStore& store, const Arguments& arguments,
                        const Printer& printer) {
  block_signals();
  std::vector<AdoptedJob> jobs;
  TRY(AdoptedJob job, readopt(host, store, arguments.value("job-id")));
  printer.started(job, false);
  jobs.push_back(std::move(job));
  return keep_vigil(host, std::move(jobs),
                    [&](const auto& each, const auto& end) { printer.ended(each, end); });
}

Result<int> attach_verb(const Arguments& arguments) {
  if (!arguments.positionals.empty() || arguments.has_command)
    return bad_input("ffrtmp attach takes no argument of its own:",
                     arguments.positionals.empty() ? "--" : arguments.positionals[0], "say --pid N");
  TRY(AdoptRequest request, read_request(arguments));
  if (arguments.has("job-id")) TRY_OK(check_job_id(arguments.value("job-id")));
  const Printer printer(arguments.has("quiet"), arguments.has("json"));
  const Host host = probe_host();
  TRY(const JobStore store, JobStore::open());
  TRY(const auto targets, read_targets(arguments, store));
  if (targets.size() > 1 && arguments.has("job-id"))
    return bad_input(
        "--job-id names one job:",
        std::to_string(targets.size()) + " processes are meant, and each becomes a job of its own",
        "leave it out, or attach them one by one");
  if (targets.empty()) {
    if (!arguments.has("job-id") || !request.plan.limits.empty() || arguments.has("plan") ||
        arguments.has("once"))
      return bad_input(
          "which process?", "",
          "ffrtmp attach --pid N, --name PATTERN or --unit UNIT; with --job-id alone a job is watched again");
    return watch_again(host, store, arguments, printer);
  }
  if (arguments.has("plan")) return show_plans(host, store, request, targets, arguments.has("json"));
  const bool once = arguments.has("once");
  if (!once) block_signals();
  std::vector<AdoptedJob> jobs;
  Fd scope_hold;  // one for all of them: the scope is the same, and goes with the last
  for (const auto& target : targets) {
    request.pid = target.pid;
    request.only = target.only;
    request.change.hold_scope = !once && !scope_hold;
    request.job_id = job_name(arguments, target.pid);
    auto job = adopt(host, store, request);
    if (!job) {
      // All of them or none.
      for (auto& other : jobs) {
        (void)release(host, store, other.record.job_id, true);
        (void)store.forget(other.record.job_id);
      }
      return std::unexpected(job.error());
    }
    if (job->scope_hold) scope_hold = std::move(job->scope_hold);
    jobs.push_back(std::move(*job));
  }
  if (once)
    for (auto& job : jobs) {
      job.record.observer.reset();  // nobody waits for it
      TRY_OK(job.folder.write_record(job.record));
    }
  for (const auto& job : jobs) printer.started(job, once);
  if (once) return 0;
  TRY(const int code, keep_vigil(host, std::move(jobs),
                                 [&](const auto& each, const auto& end) { printer.ended(each, end); }));
  store.sweep("");
  return code;
}

std::vector<OptionSpec> attach_options() {
  return with_limit_options(
      {{"pid", 'p', "N", "the process, with all that descends from it; repeatable", true},
       {"name", 0, "PATTERN", "all whose executable is called so, such as 'ffmpeg' or 'gst-*'"},
       {"unit", 0, "UNIT", "all that run in this systemd unit"}},
      {
          {"plan", 0, nullptr, "print what would happen, and stop"},
          {"once", 0, nullptr, "put the limits on and leave; nobody waits for its end"},
          {"move", 0, nullptr, "out of a container or a unit as well: what that loses is yours to know"},
          {"force", 0, nullptr, "a memory maximum below the present use is set all the same"},
          {"job-id", 0, "ID", "its name; alone: wait again for a job that nobody waits for"},
          {"json", 0, nullptr, "the plan, or the result, as JSON on stdout"},
          {"quiet", 'q', nullptr, "no receipt and no ending on stderr"},
      });
}

}  // namespace

const Verb kAttachVerb = {
    "attach",
    "--pid N | --name PATTERN | --unit UNIT [options]",
    "Put a process that runs already inside limits, without a pause; ffrtmp detach undoes it.",
    attach_options(),
    "Its exit code where the kernel tells it (6.15), else 125. A signal to ffrtmp lets it go, inside its "
    "limits.\n",
    attach_verb,
};

}  // namespace ffrtmp
