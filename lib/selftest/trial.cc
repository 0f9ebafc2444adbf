#include "selftest/trial.h"

#include <algorithm>
#include <cerrno>
#include <cstdio>
#include <cstring>

#include "sys/text.h"

namespace ffrtmp {

namespace {

double real(const Json& told, const char* key) {
  const Json& value = at_or_null(told, key);
  return value.is_number() ? value.get<double>() : 0;
}

std::string tenths(double value) {
  char text[48];
  snprintf(text, sizeof text, "%.1f", value);
  return text;
}

/// Whether the limit was in force at all; when not, the trial says why and is over.
std::optional<Trial> not_in_force(const DummyRun& run, LimitKind kind, Trial trial) {
  const auto& rows = run.record.receipt.rows;
  const auto row = std::ranges::find(rows, limit_name(kind), &ReceiptRow::name);
  if (row != rows.end() && row->strength == Strength::enforced) return std::nullopt;
  trial.verdict = Trial::Verdict::absent;
  if (row == rows.end()) {
    trial.text = "not in the receipt";
    return trial;
  }
  trial.text =
      row->strength == Strength::advisory ? "only " + row->mechanism + " stands in for it" : "not in force";
  if (!row->why.empty()) trial.text += ": " + row->why;
  return trial;
}

Trial begin(LimitKind kind, const std::string& asked) {
  return {std::string(limit_name(kind)), asked, Trial::Verdict::fails, ""};
}

/// A dummy that was to tell something and did not.
Trial silent(const DummyRun& run, Trial trial) {
  trial.text = "the dummy told nothing: " + run.verdict.reason;
  return trial;
}

}  // namespace

std::string_view verdict_name(Trial::Verdict verdict) {
  switch (verdict) {
    case Trial::Verdict::bites: return "bites";
    case Trial::Verdict::fails: return "fails";
    case Trial::Verdict::absent: return "absent";
  }
  return "";
}

Json to_json(const Trial& trial) {
  return {{"limit", trial.limit},
          {"asked", trial.asked},
          {"verdict", verdict_name(trial.verdict)},
          {"text", trial.text}};
}

Trial judge_cpu(const DummyRun& run, const CpuMax& quota) {
  Trial out = begin(LimitKind::cpu_max, format_limit(LimitKind::cpu_max, quota));
  if (auto absent = not_in_force(run, LimitKind::cpu_max, out)) return *absent;
  const double wall = real(run.told, "wall_s"), used = real(run.told, "cpu_s");
  if (wall <= 0) return silent(run, out);
  out.text = "used " + tenths(used / wall * 100) + " % of a CPU over " + tenths(wall) + " s";
  // A period's quota may be spent at either end of the time, and what a CPU has drawn is not taken back.
  const double allowed = quota.cpus() * wall * 1.1 + 2.0 * static_cast<double>(quota.quota_us) / 1e6;
  if (used > allowed) return out;
  const bool throttled = run.ending.usage.throttled_periods.value_or(0) > 0;
  if (throttled) {
    out.verdict = Trial::Verdict::bites;
    out.text += ", throttled " + std::to_string(*run.ending.usage.throttled_periods) + " times";
  } else {
    out.verdict = Trial::Verdict::absent;
    out.text += " and was never throttled: the host is too busy to tell";
  }
  return out;
}

Trial judge_memory_max(const DummyRun& run, Bytes limit) {
  Trial out = begin(LimitKind::memory_max, format_bytes(limit));
  if (auto absent = not_in_force(run, LimitKind::memory_max, out)) return *absent;
  const auto peak = run.ending.usage.memory_peak_bytes;
  const std::string at = peak ? " at a peak of " + format_bytes(Bytes{*peak}) : "";
  if (run.verdict.outcome == Outcome::oom_killed && run.verdict.killer == "own limit") {
    out.verdict = Trial::Verdict::bites;
    out.text = "what went beyond was killed" + at + ", and the verdict is \"own limit\"";
  } else if (run.told.is_object() && real(run.told, "touched") > 0) {
    out.text = "the dummy could use " + format_bytes(Bytes{static_cast<uint64_t>(real(run.told, "touched"))});
  } else {
    out.text = "no kill by its own limit" + at + ": " + run.verdict.reason;
  }
  return out;
}

Trial judge_memory_high(const DummyRun& run, Bytes limit, Bytes written) {
  Trial out = begin(LimitKind::memory_high, format_bytes(limit));
  if (auto absent = not_in_force(run, LimitKind::memory_high, out)) return *absent;
  const auto peak = run.ending.usage.memory_peak_bytes;
  if (real(run.told, "written") < static_cast<double>(written.count) || !peak) {
    out.verdict = Trial::Verdict::absent;
    out.text =
        !peak ? "the kernel tells no peak" : "no file of " + format_bytes(written) + " could be written";
    return out;
  }
  out.text = "a file of " + format_bytes(written) + " was written at a peak of " + format_bytes(Bytes{*peak});
  // It is a soft limit: what is in flight may stand above it for a moment.
  if (*peak <= limit.count + (written.count - limit.count) / 2) out.verdict = Trial::Verdict::bites;
  return out;
}

Trial judge_pids(const DummyRun& run, uint64_t most, uint64_t wanted) {
  Trial out = begin(LimitKind::pids_max, std::to_string(most));
  if (auto absent = not_in_force(run, LimitKind::pids_max, out)) return *absent;
  if (!run.told.is_object()) return silent(run, out);
  const auto tasks = whole_or(run.told, "children", 0) + 1;
  const auto error = static_cast<int>(whole_or(run.told, "errno", 0));
  out.text = std::to_string(tasks) + " processes of " + std::to_string(wanted + 1) + " wanted";
  if (error != 0)
    out.text += ", then " + std::string(strerrordesc_np(error) ? strerrordesc_np(error) : "an error");
  if (tasks <= most && error == EAGAIN) out.verdict = Trial::Verdict::bites;
  return out;
}

Trial judge_cpuset(const DummyRun& run, const CpuList& cpus) {
  const std::string asked = format_cpu_list(cpus);
  Trial out = begin(LimitKind::cpuset, asked);
  if (auto absent = not_in_force(run, LimitKind::cpuset, out)) return *absent;
  const std::string found = text_or(run.told, "cpus");
  if (found.empty()) return silent(run, out);
  out.text = "may run on CPU " + found;
  if (found == asked) out.verdict = Trial::Verdict::bites;
  return out;
}

Trial judge_io(const DummyRun& run, const IoMax& limit, const std::string& where) {
  Trial out = begin(LimitKind::io_max, format_limit(LimitKind::io_max, limit));
  if (auto absent = not_in_force(run, LimitKind::io_max, out)) return *absent;
  const double wall = real(run.told, "wall_s"), written = real(run.told, "written");
  if (const auto error = static_cast<int>(whole_or(run.told, "errno", 0)); error != 0 || wall <= 0) {
    out.verdict = Trial::Verdict::absent;
    out.text = "no direct write to " + where + " is possible" +
               (error ? " (" + std::string(strerrordesc_np(error)) + ")" : "; " + run.verdict.reason);
    return out;
  }
  const auto rate = static_cast<double>(limit.wbps.value_or(0));
  out.text = "wrote " + format_bytes(Bytes{static_cast<uint64_t>(written / wall)}) + "/s over " +
             tenths(wall) + " s to " + where;
  // The throttle hands out slices of time, and lets the first block through.
  constexpr double kBurst = 512 * 1024;
  if (written > rate * wall * 1.2 + kBurst) return out;
  if (written < rate * wall / 2) {
    out.verdict = Trial::Verdict::absent;
    out.text += ": the disk is slower than the limit, which it cannot show";
    return out;
  }
  out.verdict = Trial::Verdict::bites;
  return out;
}

Trial judge_setting(const DummyRun& run, LimitKind kind, const std::string& asked, const std::string& key,
                    int64_t value) {
  Trial out = begin(kind, asked);
  if (auto absent = not_in_force(run, kind, out)) return *absent;
  const Json& found = at_or_null(run.told, key);
  if (!found.is_number_integer()) return silent(run, out);
  out.text =
      found == value ? "the dummy found itself at it" : "the dummy found itself at " + dump_json(found);
  if (found == value) out.verdict = Trial::Verdict::bites;
  return out;
}

Trial judge_timeout(const DummyRun& run, Duration limit) {
  Trial out{"time limit", format_duration(limit), Trial::Verdict::fails, ""};
  const bool ended = run.verdict.outcome == Outcome::timed_out;
  if (ended) out.verdict = Trial::Verdict::bites;
  out.text = ended ? "ended after " + format_duration(run.ending.duration) : run.verdict.reason;
  return out;
}

}  // namespace ffrtmp
