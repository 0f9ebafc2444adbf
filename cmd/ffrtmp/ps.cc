#include "jobs/live.h"
#include "print.h"
#include "sys/redact.h"
#include "sys/text.h"
#include "verb.h"

namespace ffrtmp {

namespace {

std::string cpu_text(const Usage& usage, Duration age) {
  if (!usage.cpu_user_s || !usage.cpu_system_s) return "-";
  const double seconds = seconds_of(age);
  return std::to_string(static_cast<int>(
             seconds > 0 ? (*usage.cpu_user_s + *usage.cpu_system_s) / seconds * 100 + 0.5 : 0)) +
         "%";
}

Result<int> ps_verb(const Arguments& arguments) {
  if (!arguments.positionals.empty())
    return bad_input("ffrtmp ps takes no argument:", arguments.positionals[0], "ffrtmp status JOB shows one");
  const auto store = JobStore::open_existing();
  if (!store && store.error().errnum != ENOENT) return std::unexpected(store.error());
  const Host host = probe_host();
  const bool all = arguments.has("all"), secrets = arguments.has("show-secrets");
  std::vector<std::vector<std::string>> rows{
      {"JOB", "STATE", "PID", "PLACEMENT", "CPU", "MEMORY", "AGE", "COMMAND"}};
  Json list = Json::array();
  for (const auto& job : store ? store->list() : std::vector<StoredJob>{}) {
    if (!all && is_over(job.state)) continue;
    const Usage usage = live_usage(host, job);
    const Duration age = age_of(job);
    const auto command = secrets ? job.record.command : redact(job.record.command);
    const std::string pid = job.record.workload ? std::to_string(job.record.workload->pid) : "-";
    std::string shown = shell_quote(command);
    constexpr size_t kWidest = 60;
    if (shown.size() > kWidest) shown = shown.substr(0, kWidest - 3) + "...";
    rows.push_back({job.record.job_id, std::string(job_state_text(job)), pid, job.record.receipt.placement,
                    cpu_text(usage, age), usage.memory_bytes ? format_bytes(Bytes{*usage.memory_bytes}) : "-",
                    format_duration(age), shown});
    list.push_back({{"job_id", job.record.job_id},
                    {"state", job_state_name(job.state)},
                    {"paused", job.paused},
                    {"identity", job.record.workload ? to_json(*job.record.workload) : Json(nullptr)},
                    {"placement", job.record.receipt.placement},
                    {"cgroup", job.record.receipt.cgroup},
                    {"started_at", rfc3339(job.record.started_at)},
                    {"age_s", seconds_of(age)},
                    {"memory_bytes", usage.memory_bytes ? Json(*usage.memory_bytes) : Json(nullptr)},
                    {"usage", to_json(usage)},
                    {"command", command},
                    {"outcome", job.result ? at_or_null(*job.result, "outcome") : Json(nullptr)}});
  }
  if (arguments.has("json")) return print_out(dump_json(list, 1) + "\n");
  if (rows.size() == 1)
    print_err(all ? "ffrtmp: no jobs\n" : "ffrtmp: no jobs run here (--all shows ended ones)\n");
  else
    return print_out(table(rows));
  return 0;
}

}  // namespace

const Verb kPsVerb = {
    "ps",
    "[--all] [--json]",
    "List the jobs of this host: state, placement, CPU (average), memory, age.",
    {{"all", 'a', nullptr, "also jobs that have ended (kept for a day)"},
     {"json", 0, nullptr, "for machines"},
     {"show-secrets", 0, nullptr, "show stream keys and passwords in commands"}},
    "States: starting, running, unobserved (nobody waits for it any more), ended, lost (nobody saw its "
    "end).\n",
    ps_verb,
};

}  // namespace ffrtmp
