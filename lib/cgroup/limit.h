#pragma once

#include <array>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include "proc/cpu_set.h"
#include "sys/result.h"
#include "sys/units.h"

namespace ffrtmp {

/// Every limit that an operator can ask for, in the order in which they are written and shown.
enum class LimitKind {
  cpu_max,
  cpu_weight,
  cpuset,
  swap_max,  // before memory_max: the kernel would swap instead of refusing in between
  memory_high,
  memory_max,
  io_max,
  io_weight,
  pids_max,
  nice,
  ionice,
  oom_score_adj,
};
inline constexpr std::array kLimitKinds = {
    LimitKind::cpu_max,     LimitKind::cpu_weight, LimitKind::cpuset, LimitKind::swap_max,
    LimitKind::memory_high, LimitKind::memory_max, LimitKind::io_max, LimitKind::io_weight,
    LimitKind::pids_max,    LimitKind::nice,       LimitKind::ionice, LimitKind::oom_score_adj,
};

/// The name in receipts, profiles and --require: cgroup v2's name where there is one ("cpu.max",
/// "memory.high").
std::string_view limit_name(LimitKind kind);
/// The flag without its dashes ("cpu-max").
std::string_view limit_flag(LimitKind kind);
/// Takes either form.
std::optional<LimitKind> limit_kind(std::string_view name);

/// cpu.max: at most `quota_us` of CPU time in every `period_us`; microseconds.
struct CpuMax {
  uint64_t quota_us = 0, period_us = 100'000;
  double cpus() const { return static_cast<double>(quota_us) / static_cast<double>(period_us); }
  bool operator==(const CpuMax&) const = default;
};
/// A share under contention: 1 to 10000, 100 is what everybody has.
struct Weight {
  unsigned value = 100;
  bool operator==(const Weight&) const = default;
};
/// A number of processes and threads.
struct Count {
  uint64_t value = 0;
  bool operator==(const Count&) const = default;
};
struct Nice {
  int value = 0;  ///< -20 (most) to 19 (least)
  bool operator==(const Nice&) const = default;
};
struct OomScore {
  int value = 0;  ///< -1000 (never killed) to 1000 (first)
  bool operator==(const OomScore&) const = default;
};
/// ioprio_set(2).
struct IoPriority {
  enum class Class { realtime = 1, best_effort = 2, idle = 3 };
  Class cls = Class::best_effort;
  int level = 4;  ///< 0 (first) to 7; not for idle
  bool operator==(const IoPriority&) const = default;
};
/// A whole disk, as io.max wants it.
struct BlockDevice {
  unsigned major = 0, minor = 0;
  bool operator==(const BlockDevice&) const = default;
};
/// io.max of one disk: bytes and operations a second; none is no limit.
struct IoMax {
  BlockDevice device;
  std::optional<uint64_t> rbps, wbps, riops, wiops;
  std::string asked_as;  ///< the disk as the operator named it (a path, say)
  bool operator==(const IoMax& other) const {
    return device == other.device && rbps == other.rbps && wbps == other.wbps && riops == other.riops &&
           wiops == other.wiops;
  }
};

using LimitValue = std::variant<CpuMax, Weight, CpuList, Bytes, IoMax, Count, Nice, IoPriority, OomScore>;

/// One limit that was asked for.
struct Limit {
  LimitKind kind;
  LimitValue value;
  std::string origin;  ///< "flag", "profile live", "profile /etc/…": for the receipt's reader
  bool operator==(const Limit& other) const { return kind == other.kind && value == other.value; }
};

/// For people, in one cell: "150%", "2G", "0-3", "8:0 wbps=1M", "best-effort:2".
std::string format_limit(LimitKind kind, const LimitValue& value);
/// What cgroup v2's file takes and gives for this value.
std::string v2_text(const LimitValue& value);

// Parsers of what operators type. Errors say what would do. No side effects but parse_io_max, which looks at
// the disk that it names.
Result<CpuMax> parse_cpu_max(std::string_view text);            ///< "150%", "50000 100000", "150000"
Result<CpuMax> parse_cpus(std::string_view text);               ///< "1.5": CPUs, as docker and crun spell it
Result<CpuMax> parse_cpu_quota_percent(std::string_view text);  ///< "150" or "150%"
Result<Weight> parse_weight(std::string_view text);             ///< 1 to 10000
Result<Count> parse_count(std::string_view text);               ///< 1 to 4194304 (the kernel's PID_MAX_LIMIT)
Result<Bytes> parse_swap(std::string_view text);                ///< as parse_bytes, and "0": no swap
Result<Bytes> parse_megabytes(std::string_view text);           ///< whole megabytes, as --memory-limit takes
Result<Nice> parse_nice(std::string_view text);
Result<IoPriority> parse_ionice(
    std::string_view text);  ///< "idle", "best-effort[:0-7]", "realtime[:0-7]", "1".."3"
Result<OomScore> parse_oom_score(std::string_view text);

/// "DEV|MAJ:MIN|PATH rbps=… wbps=… riops=… wiops=…" without looking at the disk: the first word and the
/// rates.
struct IoMaxText {
  std::string device;
  IoMax rates;
};
Result<IoMaxText> parse_io_max_text(std::string_view text);
Result<IoMax> parse_io_max(std::string_view text);

/// The value of any limit from its text, as flags and profiles give it.
Result<LimitValue> parse_limit(LimitKind kind, std::string_view text);

}  // namespace ffrtmp
