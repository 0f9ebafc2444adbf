#include <unistd.h>

#include "jobs/live.h"
#include "jobs/media.h"
#include "print.h"
#include "sys/redact.h"
#include "sys/text.h"
#include "verb.h"

namespace ffrtmp {

namespace {

std::string media_text(const MediaProgress& media) {
  std::vector<std::string> parts;
  const auto add = [&](const auto& value, const char* before, const char* after) {
    if (!value) return;
    char text[64];
    snprintf(text, sizeof text, "%.4g", static_cast<double>(*value));
    parts.push_back(before + std::string(text) + after);
  };
  if (media.frames) parts.push_back(std::to_string(*media.frames) + " frames");
  add(media.fps, "", " fps");
  add(media.speed, "speed ", "x");
  if (media.out_time_s)
    parts.push_back("at " + format_duration(Duration(static_cast<int64_t>(*media.out_time_s * 1e9))));
  if (media.bitrate_bps) add(std::optional(*media.bitrate_bps / 1000), "", " kbit/s");
  add(media.dropped, "dropped ", "");
  add(media.duplicated, "duplicated ", "");
  return join(parts, ", ");
}

Result<int> status_verb(const Arguments& arguments) {
  TRY(const std::string id, one_job(arguments));
  TRY(const JobStore store, JobStore::open_existing());
  TRY(const StoredJob job, store.find(id));
  const Host host = probe_host();
  const Record& record = job.record;
  const auto command = arguments.has("show-secrets") ? record.command : redact(record.command);
  const Usage usage = live_usage(host, job);
  const auto media = record.progress_path.empty() ? std::nullopt : read_progress(record.progress_path);
  if (arguments.has("json")) {
    Json out = {
        {"schema", 1},
        {"job_id", record.job_id},
        {"state", job_state_name(job.state)},
        {"mode", record.mode},
        {"rule", record.rule.empty() ? Json(nullptr) : Json(record.rule)},
        {"paused", job.paused},
        {"command", command},
        {"job_type", record.job_type.empty() ? Json(nullptr) : Json(record.job_type)},
        {"restarts", record.restarts},
        {"stalled_since", record.stalled_since ? Json(rfc3339(*record.stalled_since)) : Json(nullptr)},
        {"workdir", record.workdir},
        {"identity", record.workload ? to_json(*record.workload) : Json(nullptr)},
        {"observer", record.observer ? to_json(*record.observer) : Json(nullptr)},
        {"started_at", rfc3339(record.started_at)},
        {"age_s", std::chrono::duration<double>(age_of(job)).count()},
        {"receipt", to_json(record.receipt)},
        {"usage", to_json(usage)},
        {"memory_bytes", usage.memory_bytes ? Json(*usage.memory_bytes) : Json(nullptr)},
        {"media", media ? to_json(*media) : Json(nullptr)},
        {"log", record.log_path},
        {"result", job.result ? *job.result : Json(nullptr)}};
    return print_out(dump_json(out, 1) + "\n");
  }
  std::string out = receipt_text(record, colour_on(STDOUT_FILENO));
  out.erase(0, std::string_view("ffrtmp: ").size());
  const auto line = [&](const char* name, const std::string& text) {
    std::string left = std::string("  ") + name;
    left.resize(12, ' ');
    out += left + printable(text) + "\n";
  };
  line("command", shell_quote(command));
  line("state",
       std::string(job_state_text(job)) +
           (job.state == JobState::unobserved ? ": it runs, but its exit code will not be recorded" : ""));
  line("started",
       rfc3339(record.started_at) + ", " + format_duration(age_of(job)) + (job.result ? " long" : " ago"));
  if (!job.result) {
    std::string used = usage_text(usage);
    if (usage.memory_bytes) used += ", memory now " + format_bytes(Bytes{*usage.memory_bytes});
    line("usage", used);
  }
  if (!record.job_type.empty())
    line("job type",
         record.job_type +
             (record.restarts ? ", started again " + std::to_string(record.restarts) + " time(s)" : ""));
  if (record.stalled_since)
    line("stalled", "its media time has stood still since " + rfc3339(*record.stalled_since));
  if (media) line("media", media_text(*media));
  if (!record.log_path.empty()) line("log", record.log_path);
  if (job.result) {
    line("ended", text_or(*job.result, "reason"));
    line("used", usage_text(usage_from_json(at_or_null(*job.result, "usage"))));
  }
  return print_out(out);
}

}  // namespace

const Verb kStatusVerb = {
    "status",
    "JOB [--json]",
    "Show one job: receipt, use, progress, and how it ended.",
    {{"json", 0, nullptr, "for machines"},
     {"show-secrets", 0, nullptr, "show stream keys and passwords in the command"}},
    "",
    status_verb,
};

}  // namespace ffrtmp
