#include <unistd.h>

#include <algorithm>
#include <functional>
#include <thread>

#include "jobs/live.h"
#include "jobs/sample.h"
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

/// "to 192.0.2.1:1935: 2.1 Mbit/s, 12.4M sent, 48K wait, 3 sent again, round trip 1 ms".
std::string connection_text(const TcpConnection& connection, const std::optional<double>& bits,
                            Duration age) {
  const bool pushes = connection.acked_bytes >= connection.received_bytes;
  std::vector<std::string> parts;
  if (bits) parts.push_back(format_bit_rate(*bits));
  parts.push_back(format_bytes(Bytes{pushes ? connection.acked_bytes : connection.received_bytes}) +
                  (pushes ? " taken" : " received"));
  const uint32_t queue = pushes ? connection.send_queue_bytes : connection.receive_queue_bytes;
  if (queue > 0) parts.push_back(format_bytes(Bytes{queue}) + (pushes ? " wait" : " unread"));
  if (connection.retransmits) parts.push_back(std::to_string(connection.retransmits) + " sent again");
  char round_trip[32];
  snprintf(round_trip, sizeof round_trip, "%.1f ms",
           std::chrono::duration<double, std::milli>(connection.round_trip).count());
  parts.push_back("round trip " + std::string(round_trip));
  constexpr Duration kSilence = std::chrono::seconds(5);
  const Duration silent = std::min(pushes ? connection.since_sent : connection.since_received, age);
  if (const auto stalled = connection.stalled())
    parts.push_back("stalled " + format_duration(*stalled));
  else if (silent >= kSilence)
    parts.push_back((pushes ? "nothing sent for " : "nothing received for ") + format_duration(silent));
  if (!connection.established) parts.push_back("not established");
  return (pushes ? "to " : "from ") + connection.remote + ": " + join(parts, ", ");
}

std::string percent(double share) { return std::to_string(static_cast<int>(share * 100 + 0.5)) + "%"; }

/// "CPU 148% of one, held back in 31% of its periods, waiting for CPU 12%, read 0, wrote 312K a second".
std::string now_text(const Rates& rates) {
  std::vector<std::string> parts;
  if (rates.cpu_cores) parts.push_back("CPU " + percent(*rates.cpu_cores));
  if (rates.throttled_share && *rates.throttled_share > 0)
    parts.push_back("held back by its CPU limit in " + percent(*rates.throttled_share) + " of the time");
  const auto pressure = [&](const std::optional<double>& share, const char* what) {
    constexpr double kWorthTelling = 0.01;
    if (share && *share >= kWorthTelling)
      parts.push_back("waiting for " + std::string(what) + " " + percent(*share));
  };
  pressure(rates.cpu_pressure, "CPU");
  pressure(rates.memory_pressure, "memory");
  pressure(rates.io_pressure, "storage");
  const auto bytes = [&](const std::optional<double>& each, const char* what) {
    if (each && *each >= 1) parts.push_back(what + format_bytes(Bytes{static_cast<uint64_t>(*each)}) + "/s");
  };
  bytes(rates.read_bps, "read ");
  bytes(rates.write_bps, "written ");
  return join(parts, ", ");
}

/// The same connection or file in the earlier sample.
template <class Item, class Key>
const Item* same_in(const std::vector<Item>& items, const Item& item, Key key) {
  const auto found = std::ranges::find(items, item.*key, key);
  return found == items.end() ? nullptr : &*found;
}

void add_flows(const Sample& before, const Sample& now, double seconds, Duration age,
               const std::function<void(const char*, const std::string&)>& line) {
  constexpr size_t kShown = 8;  // of each kind; --json has all
  for (size_t i = 0; i < std::min(kShown, now.connections.size()); i++) {
    const auto& each = now.connections[i];
    const auto* was = same_in(before.connections, each, &TcpConnection::inode);
    std::optional<double> bits;
    if (was && seconds > 0)
      bits = static_cast<double>(each.acked_bytes - was->acked_bytes + each.received_bytes -
                                 was->received_bytes) *
             8 / seconds;
    line("stream", connection_text(each, bits, age));
  }
  for (size_t i = 0; i < std::min(kShown, now.files.size()); i++) {
    const auto& each = now.files[i];
    const auto* was = same_in(before.files, each, &OutputFile::path);
    std::string text = each.path + ": " + format_bytes(Bytes{each.bytes});
    if (was && seconds > 0 && each.bytes > was->bytes)
      text +=
          ", " +
          format_bytes(Bytes{static_cast<uint64_t>(static_cast<double>(each.bytes - was->bytes) / seconds)}) +
          "/s";
    line("file", text + ", written " + format_duration(each.since_written) + " ago");
  }
}

Result<int> status_verb(const Arguments& arguments) {
  TRY(const std::string id, one_job(arguments));
  const bool json = arguments.has("json");
  // People want to see what goes on; who polls has counters to subtract.
  std::optional<Duration> window;
  if (!json) window = std::chrono::milliseconds(500);
  if (arguments.has("sample")) {
    TRY(window, parse_duration(arguments.value("sample")));
    constexpr Duration kLongest = std::chrono::minutes(1);
    if (*window > kLongest)
      return bad_input("--sample is too long:", arguments.value("sample"), "a minute at most");
  }
  TRY(const JobStore store, JobStore::open_existing());
  TRY(StoredJob job, store.find(id));
  const Host host = probe_host();
  Sample before = take_sample(host, job), now = before;
  if (window && !is_over(job.state)) {
    std::this_thread::sleep_for(*window);
    TRY(job, store.find(id));  // it may have ended meanwhile
    now = take_sample(host, job);
  }
  const Record& record = job.record;
  const Usage& usage = now.usage;
  const Rates rates = rates_between(before, now);
  const auto stands = is_over(job.state) || job.paused ? std::nullopt : standstill(record, now);
  const auto command = arguments.has("show-secrets") ? record.command : redact(record.command);
  if (json) {
    Json connections = Json::array(), files = Json::array();
    for (const auto& each : now.connections) connections.push_back(to_json(each));
    for (const auto& each : now.files) files.push_back(to_json(each));
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
        {"stalled_s", stands ? Json(seconds_of(stands->since)) : Json(nullptr)},
        {"workdir", record.workdir},
        {"identity", record.workload ? to_json(*record.workload) : Json(nullptr)},
        {"observer", record.observer ? to_json(*record.observer) : Json(nullptr)},
        {"started_at", rfc3339(record.started_at)},
        {"age_s", seconds_of(age_of(job))},
        {"receipt", to_json(record.receipt)},
        {"usage", to_json(usage)},
        {"memory_bytes", or_null(usage.memory_bytes)},
        {"media", now.media ? to_json(*now.media) : Json(nullptr)},
        {"connections", connections},
        {"files", files},
        {"now", window && !is_over(job.state) ? to_json(rates) : Json(nullptr)},
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
       std::string(job_state_text(job)) + (stands ? ", stalled " + format_duration(stands->since) : "") +
           (job.state == JobState::unobserved ? ": it runs, but its exit code will not be recorded" : ""));
  if (stands) line("stalled", stands->what);
  line("started",
       rfc3339(record.started_at) + ", " + format_duration(age_of(job)) + (job.result ? " long" : " ago"));
  if (!job.result) {
    std::string used = usage_text(usage);
    if (usage.memory_bytes) used += ", memory now " + format_bytes(Bytes{*usage.memory_bytes});
    line("usage", used);
  }
  if (const std::string text = now_text(rates); !text.empty() && !is_over(job.state)) line("now", text);
  if (!record.job_type.empty())
    line("job type",
         record.job_type +
             (record.restarts ? ", started again " + std::to_string(record.restarts) + " time(s)" : ""));
  if (now.media) line("media", media_text(*now.media));
  add_flows(before, now, seconds_of(now.at - before.at), age_of(job), line);
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
    "JOB [--json] [--sample DUR]",
    "Show one job: receipt, use, progress, and how it ended.",
    {{"json", 0, nullptr, "for machines"},
     {"sample", 0, "DUR", "look twice, so long apart, for rates; people get 500ms"},
     {"show-secrets", 0, nullptr, "show stream keys and passwords in the command"}},
    "",
    status_verb,
};

}  // namespace ffrtmp
