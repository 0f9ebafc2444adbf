#include "cgroup/limit.h"

#include <cmath>

#include "cgroup/block_device.h"
#include "sys/text.h"

namespace ffrtmp {

namespace {

struct Names {
  LimitKind kind;
  std::string_view name, flag;
};
constexpr std::array<Names, kLimitKinds.size()> kNames = {{
    {LimitKind::cpu_max, "cpu.max", "cpu-max"},
    {LimitKind::cpu_weight, "cpu.weight", "cpu-weight"},
    {LimitKind::cpuset, "cpuset.cpus", "cpuset"},
    {LimitKind::swap_max, "memory.swap.max", "swap-max"},
    {LimitKind::memory_high, "memory.high", "memory-high"},
    {LimitKind::memory_max, "memory.max", "memory-max"},
    {LimitKind::io_max, "io.max", "io-max"},
    {LimitKind::io_weight, "io.weight", "io-weight"},
    {LimitKind::pids_max, "pids.max", "pids-max"},
    {LimitKind::nice, "nice", "nice"},
    {LimitKind::ionice, "ionice", "ionice"},
    {LimitKind::oom_score_adj, "oom_score_adj", "oom-score-adj"},
}};

std::string quoted(std::string_view text) { return "\"" + std::string(text) + "\""; }

/// A whole number between two ends, or the error that says so.
Result<int64_t> ranged(std::string_view text, int64_t least, int64_t most, const char* what) {
  const auto value = parse_i64(trim(text));
  if (!value || *value < least || *value > most)
    return bad_input(std::string("not ") + what + ":", quoted(text),
                     "give a whole number from " + std::to_string(least) + " to " + std::to_string(most));
  return *value;
}

constexpr uint64_t kDefaultPeriod = 100'000;
// Documentation/scheduler/sched-bwc.rst: the kernel takes periods of 1 ms to 1 s and quotas of at least 1 ms.
constexpr uint64_t kLeastMicros = 1'000, kMostPeriod = 1'000'000;
// Above this the kernel answers EINVAL (max_cfs_runtime); no host has so many CPUs.
constexpr uint64_t kMostQuota = 1'000'000ull * kMaxCpus;

Result<CpuMax> cpu_max_of(uint64_t quota, uint64_t period, std::string_view text) {
  if (period < kLeastMicros || period > kMostPeriod)
    return bad_input("CPU period out of range:", quoted(text),
                     "the kernel takes 1000 to 1000000 microseconds");
  if (quota < kLeastMicros)
    return bad_input("CPU quota too small:", quoted(text),
                     "the kernel takes at least 1000 microseconds (1% of 100000)");
  if (quota > kMostQuota)
    return bad_input("CPU quota too large:", quoted(text), "give a percentage of one CPU such as 150%");
  return CpuMax{quota, period};
}

}  // namespace

std::string_view limit_name(LimitKind kind) { return kNames[static_cast<size_t>(kind)].name; }
std::string_view limit_flag(LimitKind kind) { return kNames[static_cast<size_t>(kind)].flag; }

std::optional<LimitKind> limit_kind(std::string_view name) {
  for (const auto& entry : kNames)
    if (entry.name == name || entry.flag == name) return entry.kind;
  return std::nullopt;
}

Result<CpuMax> parse_cpu_max(std::string_view text) {
  const auto part = words(text);
  if (part.size() == 1 && part[0].ends_with("%")) {
    TRY(const uint64_t milli, parse_percent_milli(part[0]));
    return cpu_max_of(milli * (kDefaultPeriod / 1000) / 100, kDefaultPeriod, text);
  }
  const auto quota = part.empty() ? std::nullopt : parse_u64(part[0]);
  const auto period = part.size() == 2 ? parse_u64(part[1]) : std::optional(kDefaultPeriod);
  if (part.empty() || part.size() > 2 || !quota || !period)
    return bad_input(
        "not a CPU limit:", quoted(text),
        "give a percentage of one CPU (150%) or \"QUOTA PERIOD\" in microseconds (\"150000 100000\")");
  return cpu_max_of(*quota, *period, text);
}

Result<CpuMax> parse_cpus(std::string_view text) {
  // "1.5" CPUs is 150%: the same decimal parser, so that nothing is rounded twice.
  const std::string_view number = trim(text);
  const auto percent = parse_percent_milli(std::string(number) + "%");
  if (!percent) return bad_input("not a number of CPUs:", quoted(text), "give CPUs such as 2 or 1.5");
  return cpu_max_of(*percent * kDefaultPeriod / 1000, kDefaultPeriod, text);
}

Result<CpuMax> parse_cpu_quota_percent(std::string_view text) {
  std::string number(trim(text));
  if (!number.ends_with("%")) number += "%";
  TRY(const uint64_t milli, parse_percent_milli(number));
  return cpu_max_of(milli * (kDefaultPeriod / 1000) / 100, kDefaultPeriod, text);
}

Result<Weight> parse_weight(std::string_view text) {
  TRY(const int64_t value, ranged(text, 1, 10000, "a weight"));
  return Weight{static_cast<unsigned>(value)};
}

Result<Count> parse_count(std::string_view text) {
  TRY(const int64_t value, ranged(text, 1, 4'194'304, "a number of processes"));
  return Count{static_cast<uint64_t>(value)};
}

Result<Bytes> parse_swap(std::string_view text) {
  if (trim(text) == "0") return Bytes{0};
  return parse_bytes(text);
}

Result<Bytes> parse_megabytes(std::string_view text) {
  const auto value = parse_u64(trim(text));
  if (!value || *value == 0 || *value > (INT64_MAX >> 20))
    return bad_input("not a size in megabytes:", quoted(text),
                     "give a whole number of megabytes such as 2048");
  return Bytes{*value << 20};
}

Result<Nice> parse_nice(std::string_view text) {
  TRY(const int64_t value, ranged(text, -20, 19, "a nice value"));
  return Nice{static_cast<int>(value)};
}

Result<OomScore> parse_oom_score(std::string_view text) {
  TRY(const int64_t value, ranged(text, -1000, 1000, "an OOM score"));
  return OomScore{static_cast<int>(value)};
}

Result<IoPriority> parse_ionice(std::string_view text) {
  const auto part = split(trim(text), ':');
  IoPriority out;
  const auto wrong = [&] {
    return bad_input("not an I/O priority:", quoted(text),
                     "give idle, best-effort, best-effort:0 to :7, realtime or realtime:0 to :7");
  };
  if (part[0] == "idle" || part[0] == "3")
    out.cls = IoPriority::Class::idle;
  else if (part[0] == "best-effort" || part[0] == "be" || part[0] == "2")
    out.cls = IoPriority::Class::best_effort;
  else if (part[0] == "realtime" || part[0] == "rt" || part[0] == "1")
    out.cls = IoPriority::Class::realtime;
  else
    return wrong();
  if (part.size() > 2 || (part.size() == 2 && out.cls == IoPriority::Class::idle)) return wrong();
  if (part.size() == 2) {
    const auto level = parse_u64(part[1]);
    if (!level || *level > 7) return wrong();
    out.level = static_cast<int>(*level);
  }
  if (out.cls == IoPriority::Class::idle) out.level = 0;
  return out;
}

Result<IoMaxText> parse_io_max_text(std::string_view text) {
  const auto wrong = [&](const char* what) {
    return bad_input(
        what, quoted(text),
        "give a disk and at least one rate, such as \"/data wbps=20M\" or \"8:0 rbps=100M wiops=500\"");
  };
  // The path may hold blanks: the rates are the words at the end that look like one.
  const auto part = words(text);
  size_t rates = part.size();
  while (rates > 1 && part[rates - 1].find('=') != std::string_view::npos) rates--;
  if (part.size() < 2 || rates == part.size()) return wrong("not an I/O limit:");
  IoMaxText out;
  const std::string_view whole = trim(text);
  out.device = trim(whole.substr(0, static_cast<size_t>(part[rates].data() - whole.data())));
  out.rates.asked_as = out.device;
  for (size_t i = rates; i < part.size(); i++) {
    const size_t equals = part[i].find('=');
    const std::string_view key = part[i].substr(0, equals), value = part[i].substr(equals + 1);
    std::optional<uint64_t>* slot = key == "rbps"    ? &out.rates.rbps
                                    : key == "wbps"  ? &out.rates.wbps
                                    : key == "riops" ? &out.rates.riops
                                    : key == "wiops" ? &out.rates.wiops
                                                     : nullptr;
    if (!slot) return wrong("unknown rate in I/O limit (not rbps, wbps, riops, wiops):");
    if (*slot) return wrong("a rate is given twice:");
    if (value == "max") continue;
    TRY(const Bytes rate, parse_bytes(value));
    *slot = rate.count;
  }
  if (!out.rates.rbps && !out.rates.wbps && !out.rates.riops && !out.rates.wiops)
    return wrong("an I/O limit without a limit:");
  return out;
}

Result<IoMax> parse_io_max(std::string_view text) {
  TRY(IoMaxText parsed, parse_io_max_text(text));
  TRY(parsed.rates.device, find_block_device(parsed.device));
  return parsed.rates;
}

Result<LimitValue> parse_limit(LimitKind kind, std::string_view text) {
  const auto as_value = [](auto parsed) -> Result<LimitValue> {
    if (!parsed) return std::unexpected(parsed.error());
    return LimitValue(*std::move(parsed));
  };
  switch (kind) {
    case LimitKind::cpu_max: return as_value(parse_cpu_max(text));
    case LimitKind::cpu_weight: return as_value(parse_weight(text));
    case LimitKind::cpuset: return as_value(parse_cpu_list(text));
    case LimitKind::swap_max: return as_value(parse_swap(text));
    case LimitKind::memory_high: return as_value(parse_bytes(text));
    case LimitKind::memory_max: return as_value(parse_bytes(text));
    case LimitKind::io_max: return as_value(parse_io_max(text));
    case LimitKind::io_weight: return as_value(parse_weight(text));
    case LimitKind::pids_max: return as_value(parse_count(text));
    case LimitKind::nice: return as_value(parse_nice(text));
    case LimitKind::ionice: return as_value(parse_ionice(text));
    case LimitKind::oom_score_adj: return as_value(parse_oom_score(text));
  }
  return bad_input("unknown limit", "");
}

namespace {

std::string percent_of(const CpuMax& max) {
  const double percent = max.cpus() * 100;
  char out[32];
  snprintf(out, sizeof out, std::fabs(percent - std::round(percent)) < 0.005 ? "%.0f%%" : "%.2f%%", percent);
  return out;
}

std::string rates_of(const IoMax& max, std::string (*number)(uint64_t)) {
  std::string out;
  const auto add = [&](const char* key, const std::optional<uint64_t>& value,
                       std::string (*format)(uint64_t)) {
    if (value) out += std::string(out.empty() ? "" : " ") + key + "=" + format(*value);
  };
  const auto plain = +[](uint64_t v) { return std::to_string(v); };
  add("rbps", max.rbps, number);
  add("wbps", max.wbps, number);
  add("riops", max.riops, plain);
  add("wiops", max.wiops, plain);
  return out;
}

std::string device_text(const BlockDevice& device) {
  return std::to_string(device.major) + ":" + std::to_string(device.minor);
}

std::string ionice_text(const IoPriority& priority) {
  if (priority.cls == IoPriority::Class::idle) return "idle";
  return (priority.cls == IoPriority::Class::realtime ? "realtime:" : "best-effort:") +
         std::to_string(priority.level);
}

template <class... F>
struct Overloaded : F... {
  using F::operator()...;
};

}  // namespace

std::string format_limit(LimitKind, const LimitValue& value) {
  return std::visit(Overloaded{
                        [](const CpuMax& v) { return percent_of(v); },
                        [](const Weight& v) { return std::to_string(v.value); },
                        [](const CpuList& v) { return format_cpu_list(v); },
                        [](const Bytes& v) { return format_bytes(v); },
                        [](const IoMax& v) {
                          return device_text(v.device) + " " +
                                 rates_of(
                                     v, +[](uint64_t n) { return format_bytes(Bytes{n}); });
                        },
                        [](const Count& v) { return std::to_string(v.value); },
                        [](const Nice& v) { return std::to_string(v.value); },
                        [](const IoPriority& v) { return ionice_text(v); },
                        [](const OomScore& v) { return std::to_string(v.value); },
                    },
                    value);
}

std::string v2_text(const LimitValue& value) {
  return std::visit(
      Overloaded{
          [](const CpuMax& v) { return std::to_string(v.quota_us) + " " + std::to_string(v.period_us); },
          [](const Weight& v) { return std::to_string(v.value); },
          [](const CpuList& v) { return format_cpu_list(v); },
          [](const Bytes& v) { return std::to_string(v.count); },
          [](const IoMax& v) {
            return device_text(v.device) + " " +
                   rates_of(
                       v, +[](uint64_t n) { return std::to_string(n); });
          },
          [](const Count& v) { return std::to_string(v.value); },
          [](const Nice& v) { return std::to_string(v.value); },
          [](const IoPriority& v) { return ionice_text(v); },
          [](const OomScore& v) { return std::to_string(v.value); },
      },
      value);
}

}  // namespace ffrtmp
