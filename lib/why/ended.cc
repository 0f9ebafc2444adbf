#include "why/ended.h"

#include <signal.h>

#include <algorithm>
#include <cmath>
#include <cstring>

#include "cgroup/meters.h"
#include "jobs/exit_meaning.h"
#include "jobs/result.h"
#include "sys/redact.h"
#include "sys/text.h"
#include "sys/units.h"

namespace ffrtmp {

namespace {

constexpr double kFelt = 0.10;

const ReceiptRow* row_of(const Record& record, LimitKind kind) {
  const auto found = std::ranges::find(record.receipt.rows, limit_name(kind), &ReceiptRow::name);
  return found == record.receipt.rows.end() ? nullptr : &*found;
}

std::string signal_text(int number) {
  const char* name = sigabbrev_np(number);
  return name ? std::string("SIG") + name : "signal " + std::to_string(number);
}

std::string duration_text(double seconds) {
  constexpr double kCentury = 3.2e9;  // others may have written there
  return format_duration(Duration(static_cast<int64_t>(std::clamp(seconds, 0.0, kCentury) * 1e9)));
}

double real_or(const Json& json, const std::string& key, double otherwise) {
  const Json& value = at_or_null(json, key);
  return value.is_number() ? value.get<double>() : otherwise;
}

std::optional<int> small_number(const Json& json, const std::string& key) {
  const Json& value = at_or_null(json, key);
  if (!value.is_number_integer() || value < 0 || value > 255) return std::nullopt;
  return value.get<int>();
}

/// The limit in force that has the fewest bytes; nullopt where none was.
std::optional<uint64_t> bytes_of(const ReceiptRow* row) {
  if (!row) return std::nullopt;
  return parse_u64(row->effective.raw.empty() ? row->in_force.raw : row->effective.raw);
}

std::string memory_of(double bytes) {
  constexpr double kStep = 16 << 20;
  return format_bytes(Bytes{static_cast<uint64_t>(std::ceil(bytes / kStep) * kStep)});
}

Cause killed_for_memory(const Record& record, const std::string& killer, const std::string& reason,
                        const Usage& usage) {
  Cause out;
  out.certainty = Certainty::certain;
  out.share = 1;
  if (killer == "own limit") {
    const ReceiptRow* row = row_of(record, LimitKind::memory_max);
    const auto limit = bytes_of(row);
    out.name = "memory limit";
    out.text = "was killed by the kernel at its own memory.max" +
               (limit ? " of " + format_bytes(Bytes{*limit}) : std::string());
    out.limit = limit_name(LimitKind::memory_max);
    const auto most = std::max(limit.value_or(0), usage.memory_peak_bytes.value_or(0));
    if (most > 0) out.value = memory_of(static_cast<double>(most) * 1.5);
    out.caveat = "a next step: what it wanted beyond its limit is not known";
  } else if (killer == "parent limit") {
    out.name = "memory limit above";
    out.text = "was killed for a cgroup above it: " + reason;
  } else if (killer == "systemd-oomd") {
    out.name = "systemd-oomd";
    out.text = "was killed by systemd-oomd, which ends a whole cgroup when memory pressure or swap is high";
  } else {
    out.name = "host memory";
    out.text = "was killed because the host ran out of memory, not for a limit of its own";
  }
  return out;
}

Cause by_signal(int number, const std::string& killer) {
  Cause out;
  out.name = signal_text(number);
  out.share = 1;
  if (killer == "operator") {
    out.certainty = Certainty::certain;
    out.text = "was ended by an operator (ffrtmp stop)";
    return out;
  }
  const std::string sender = usual_sender(number);
  out.text = "was ended by " + out.name + (sender.empty() ? ", sent by somebody unknown" : ": " + sender);
  return out;
}

/// What slowed it down while it ran.
void add_slowness(const Record& record, const Usage& usage, double duration, std::vector<Cause>& out) {
  if (duration <= 0) return;
  const ReceiptRow* quota = row_of(record, LimitKind::cpu_max);
  const auto period = [&] {
    const auto parsed = quota ? parse_cpu_max(quota->in_force.raw) : bad_input("", "");
    return static_cast<double>(parsed ? parsed->period_us : 100'000) / 1e6;
  };
  if (usage.throttled_periods && *usage.throttled_periods > 0) {
    Cause cause;
    cause.name = "cpu quota";
    cause.certainty = Certainty::certain;
    cause.share = std::min(1.0, static_cast<double>(*usage.throttled_periods) * period() / duration);
    cause.text = "was throttled by its CPU quota" +
                 (quota && !quota->in_force.text.empty() ? " of " + quota->in_force.text : "") + " in " +
                 percent_text(cause.share) + " of the time";
    if (quota && usage.cpu_user_s && usage.cpu_system_s && usage.throttled_s) {
      const double cpus = (*usage.cpu_user_s + *usage.cpu_system_s + *usage.throttled_s) / duration;
      cause.limit = limit_name(LimitKind::cpu_max);
      cause.value = std::to_string(static_cast<long>(std::ceil(std::min(cpus, 1e4) * 110 / 5)) * 5) + "%";
      cause.caveat = "what it would have used, by the time in which it was held back";
    }
    if (cause.share >= kFelt) out.push_back(cause);
  }
  const auto waited = [&](const std::optional<uint64_t>& us, const char* name, const char* what) {
    if (!us || static_cast<double>(*us) / 1e6 < kFelt * duration) return;
    Cause cause;
    cause.name = name;
    cause.share = std::min(1.0, static_cast<double>(*us) / 1e6 / duration);
    cause.text = std::string("waited for ") + what + " " + percent_text(cause.share) + " of the time";
    out.push_back(cause);
  };
  waited(usage.memory_pressure_us, "memory pressure", "memory");
  waited(usage.io_pressure_us, "disk", "a disk");
}

void add_usage_evidence(const Record& record, const Usage& usage, double duration, WhyReport& out) {
  std::vector<std::string> cpu, memory, disk;
  if (usage.cpu_user_s && usage.cpu_system_s) {
    const double total = *usage.cpu_user_s + *usage.cpu_system_s;
    cpu.push_back(duration_text(total) + " of CPU time" +
                  (duration > 0 ? " (" + percent_text(total / duration) + " of a CPU)" : ""));
  }
  if (const auto* row = row_of(record, LimitKind::cpu_max); row && !row->in_force.text.empty())
    cpu.push_back("quota " + row->in_force.text);
  if (usage.throttled_periods)
    cpu.push_back("throttled in " + std::to_string(*usage.throttled_periods) + " periods");
  if (usage.memory_peak_bytes) memory.push_back("peak " + format_bytes(Bytes{*usage.memory_peak_bytes}));
  for (const auto kind : {LimitKind::memory_high, LimitKind::memory_max})
    if (const auto limit = bytes_of(row_of(record, kind)))
      memory.push_back(std::string(limit_name(kind)) + " " + format_bytes(Bytes{*limit}));
  if (usage.io_read_bytes) disk.push_back("read " + format_bytes(Bytes{*usage.io_read_bytes}));
  if (usage.io_write_bytes) disk.push_back("wrote " + format_bytes(Bytes{*usage.io_write_bytes}));
  for (const auto& [name, parts] :
       {std::pair("cpu", cpu), std::pair("memory", memory), std::pair("disk", disk)})
    if (!parts.empty()) out.evidence.push_back({name, join(parts, ", ")});
  std::string weaker;
  for (const auto& row : record.receipt.rows)
    if (row.strength != Strength::enforced) weaker += (weaker.empty() ? "" : ", ") + row.name;
  if (!weaker.empty()) out.evidence.push_back({"limits", "not enforced as asked: " + weaker});
}

}  // namespace

std::string usual_sender(int signal) {
  switch (signal) {
    case SIGTERM:
      return "somebody's kill, or whatever manages the unit or container that it ran in (a stop, a shutdown)";
    case SIGKILL:
      return "somebody's kill -9, a container runtime, or a service manager whose patience ran out";
    case SIGINT: return "Ctrl-C at its terminal, or somebody's kill -INT";
    case SIGHUP: return "its terminal was closed";
    case SIGPIPE: return "whoever read its output went away";
    case SIGQUIT: return "Ctrl-\\ at its terminal";
    case SIGSEGV: return "it crashed by itself (a bug in it, a plug-in or a driver)";
    case SIGABRT: return "it gave up by itself (a failed assertion, or memory found corrupted)";
    case SIGBUS: return "a file that it had mapped was cut short or could not be read, or a bug in it";
    case SIGILL: return "it was built for another CPU than this host's, or a bug in it";
    case SIGFPE: return "it divided by zero: a bug in it";
    case SIGXCPU: return "the kernel, for a limit on its CPU time (ulimit -t)";
    case SIGXFSZ: return "the kernel, for a limit on the size of files (ulimit -f)";
    case SIGSYS: return "the kernel, for a system call that a sandbox forbids";
    default: return "";
  }
}

WhyReport why_it_ended(const Record& record, const Json& result, const std::vector<std::string>& log_tail) {
  WhyReport out;
  out.job_id = record.job_id;
  out.state = "ended";
  out.over = true;
  const std::string outcome = text_or(result, "outcome"), killer = text_or(result, "killer");
  const std::string reason = text_or(result, "reason", "its result does not tell how it ended");
  const double duration = real_or(result, "duration_s", 0);
  const Usage usage = usage_from_json(at_or_null(result, "usage"));
  const auto code = small_number(result, "exit_code"), number = small_number(result, "signal");

  if (const Json& kept = at_or_null(result, "log_tail"); kept.is_array())
    for (const auto& line : kept)
      if (line.is_string()) out.log_tail.push_back(line.get<std::string>());
  if (out.log_tail.empty())
    for (const auto& line : log_tail) out.log_tail.push_back(redact_text(line));

  out.sentence = reason;
  std::vector<Cause> slowness;
  const bool timed_out = outcome == outcome_name(Outcome::timed_out);
  const bool failed = number || code.value_or(0) != 0;
  // What slowed a job down explains a time limit, and a finish that came late; not a failure. The first
  // second of any program is loading.
  if (duration >= 1 && (timed_out || !failed)) add_slowness(record, usage, duration, slowness);
  if (outcome == outcome_name(Outcome::oom_killed)) {
    out.causes.push_back(killed_for_memory(record, killer, reason, usage));
  } else if (timed_out) {
    Cause cause;
    cause.name = "time limit";
    cause.certainty = Certainty::certain;
    cause.share = 1;
    cause.text =
        "reached its --timeout" + (record.timeout_s ? " of " + duration_text(*record.timeout_s) : "");
    out.causes.push_back(cause);
    if (record.timeout_s) out.sentence += " (--timeout " + duration_text(*record.timeout_s) + ")";
    if (!slowness.empty()) out.sentence += "; before that it " + slowness[0].text;
  } else if (number) {
    out.causes.push_back(by_signal(*number, killer));
    if (killer == "unknown" && !usual_sender(*number).empty())
      out.sentence += "; likely " + usual_sender(*number);
  } else if (failed) {
    const std::string program = record.command.empty() ? "" : record.command[0];
    const std::string meaning = record.job_type.empty() ? exit_meaning(program, *code) : "";
    if (!meaning.empty())
      out.evidence.push_back({"exit code", std::to_string(*code) + ": " + meaning});
    else
      out.evidence.push_back({"exit code", std::to_string(*code)});
    const bool by_operator = killer == "operator" || is_clean_stop(program, *code);
    if (const auto hint = by_operator ? std::nullopt : hint_of(out.log_tail)) {
      Cause cause;
      cause.name = hint->name;
      cause.share = 1;
      cause.text = hint->text + ", by the last lines of its log";
      out.causes.push_back(cause);
      out.sentence += "; likely it " + hint->text;
    }
  } else if (outcome == outcome_name(Outcome::exited) && !slowness.empty()) {
    out.sentence += "; on the way it " + slowness[0].text;
  }
  out.causes.insert(out.causes.end(), slowness.begin(), slowness.end());

  if (number) {
    const bool core = at_or_null(result, "core_dumped") == true;
    out.evidence.push_back({"signal", std::to_string(*number) + " " + signal_text(*number) +
                                          (core ? ", with a core dump" : "")});
    // oomd writes its mark on the cgroup, which goes with the job: only what was read at the end is known.
    if (*number == SIGKILL && killer == "unknown")
      out.evidence.push_back(
          {"not seen",
           "who sent it: the kernel does not tell; journalctl -u systemd-oomd and the audit log may"});
  }
  if (!killer.empty()) out.evidence.push_back({"ended by", killer});
  std::vector<std::string> when;
  if (const std::string at = text_or(result, "ended_at"); !at.empty()) when.push_back("ended " + at);
  if (duration > 0) when.push_back("ran " + duration_text(duration));
  if (record.restarts > 0) when.push_back("started again " + std::to_string(record.restarts) + " time(s)");
  if (!when.empty()) out.evidence.push_back({"time", join(when, ", ")});
  add_usage_evidence(record, usage, duration, out);
  if (const Json& media = at_or_null(result, "media"); media.is_object()) {
    std::vector<std::string> parts;
    if (at_or_null(media, "out_time_s").is_number())
      parts.push_back("reached " + duration_text(real_or(media, "out_time_s", 0)));
    if (at_or_null(media, "speed").is_number()) {
      char speed[48];
      snprintf(speed, sizeof speed, "speed %.3gx", real_or(media, "speed", 0));
      parts.push_back(speed);
    }
    if (!parts.empty()) out.evidence.push_back({"media", join(parts, ", ")});
  }
  out.figures = {{"outcome", outcome},
                 {"exit_code", at_or_null(result, "exit_code")},
                 {"signal", at_or_null(result, "signal")},
                 {"killer", killer.empty() ? Json(nullptr) : Json(killer)},
                 {"duration_s", at_or_null(result, "duration_s")},
                 {"usage", at_or_null(result, "usage")}};
  return out;
}

}  // namespace ffrtmp
