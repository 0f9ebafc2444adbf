#include "cgroup/meters.h"

#include <fcntl.h>
#include <sys/xattr.h>

#include "cgroup/kernel_files.h"
#include "proc/procfs.h"
#include "sys/file.h"
#include "sys/text.h"

namespace ffrtmp {

namespace {

std::optional<uint64_t> number_at(const CgroupDir& dir, const char* file) {
  const auto text = read_file_at(dir.fd.get(), file);
  return text ? parse_u64(trim(*text)) : std::nullopt;
}

std::optional<uint64_t> pressure_at(const CgroupDir& dir, const char* file) {
  const auto text = read_file_at(dir.fd.get(), file);
  return text ? pressure_total(*text, "some") : std::nullopt;
}

/// Adds up rbytes= and wbytes= over all disks of io.stat.
void sum_io_stat(std::string_view text, Usage& usage) {
  uint64_t read = 0, written = 0;
  for (std::string_view line : lines(text))
    for (std::string_view item : words(line)) {
      if (item.starts_with("rbytes=")) read += parse_u64(item.substr(7)).value_or(0);
      if (item.starts_with("wbytes=")) written += parse_u64(item.substr(7)).value_or(0);
    }
  usage.io_read_bytes = read;
  usage.io_write_bytes = written;
}

std::optional<double> seconds(std::optional<uint64_t> count, double per_second) {
  if (!count) return std::nullopt;
  return static_cast<double>(*count) / per_second;
}

void read_v2(const CgroupDir& dir, Usage& usage) {
  if (const auto text = read_file_at(dir.fd.get(), kCpuStat)) {
    usage.cpu_user_s = seconds(keyed_value(*text, "user_usec"), 1e6);
    usage.cpu_system_s = seconds(keyed_value(*text, "system_usec"), 1e6);
    usage.throttled_s = seconds(keyed_value(*text, "throttled_usec"), 1e6);
    usage.throttled_periods = keyed_value(*text, "nr_throttled");
    usage.cpu_periods = keyed_value(*text, "nr_periods");
  }
  usage.memory_bytes = number_at(dir, kMemoryCurrent);
  usage.memory_peak_bytes = number_at(dir, kMemoryPeak);
  if (const auto text = read_file_at(dir.fd.get(), kIoStat)) sum_io_stat(*text, usage);
  usage.cpu_pressure_us = pressure_at(dir, kCpuPressure);
  usage.memory_pressure_us = pressure_at(dir, kMemoryPressure);
  usage.io_pressure_us = pressure_at(dir, kIoPressure);
}

void read_v1(const CgroupDir& dir, Usage& usage) {
  const auto has = [&](const char* name) {
    return std::ranges::find(dir.hierarchy.names, name) != dir.hierarchy.names.end();
  };
  if (has("cpuacct")) {
    usage.cpu_user_s = seconds(number_at(dir, kV1CpuAcctUser), 1e9);
    usage.cpu_system_s = seconds(number_at(dir, kV1CpuAcctSystem), 1e9);
  }
  if (dir.hierarchy.has(Controller::cpu))
    if (const auto text = read_file_at(dir.fd.get(), kCpuStat)) {
      usage.throttled_s = seconds(keyed_value(*text, "throttled_time"), 1e9);
      usage.throttled_periods = keyed_value(*text, "nr_throttled");
      usage.cpu_periods = keyed_value(*text, "nr_periods");
    }
  if (dir.hierarchy.has(Controller::memory)) {
    usage.memory_bytes = number_at(dir, kV1MemoryUsage);
    usage.memory_peak_bytes = number_at(dir, kV1MemoryPeak);
  }
  if (dir.hierarchy.has(Controller::io))
    if (const auto text = read_file_at(dir.fd.get(), kV1BlkioServiceBytes)) {
      uint64_t read = 0, written = 0;
      for (std::string_view line : lines(*text)) {
        const auto part = words(line);
        if (part.size() != 3) continue;  // "8:0 Read 4096"; the last line is a total
        if (part[1] == "Read") read += parse_u64(part[2]).value_or(0);
        if (part[1] == "Write") written += parse_u64(part[2]).value_or(0);
      }
      usage.io_read_bytes = read;
      usage.io_write_bytes = written;
    }
}

}  // namespace

Usage read_usage(const Leaf& leaf) {
  Usage usage;
  for (const auto& dir : leaf.dirs) {
    const bool v2 = dir.hierarchy.dialect == Dialect::v2;
    // Where the controllers live on v1, the v2 hierarchy beside them counts only CPU time: v1 fills in the
    // rest.
    v2 ? read_v2(dir, usage) : read_v1(dir, usage);
    const std::string name = v2 ? "cgroup v2" : "cgroup v1";
    if (!usage.source.contains(name)) usage.source += (usage.source.empty() ? "" : " + ") + name;
  }
  return usage;
}

void add_rusage(Usage& usage, const rusage& account) {
  const auto total = [](const timeval& t) {
    return static_cast<double>(t.tv_sec) + static_cast<double>(t.tv_usec) / 1e6;
  };
  const bool cpu = usage.cpu_user_s && usage.cpu_system_s;
  if (!cpu) usage.cpu_user_s = total(account.ru_utime), usage.cpu_system_s = total(account.ru_stime);
  const bool memory = usage.memory_peak_bytes.has_value();
  if (!memory)
    usage.memory_peak_bytes = static_cast<uint64_t>(account.ru_maxrss) * 1024;  // of the largest process
  constexpr uint64_t kBlock = 512;  // getrusage(2) counts in blocks
  const bool io = usage.io_read_bytes.has_value();
  if (!io)
    usage.io_read_bytes = account.ru_inblock * kBlock, usage.io_write_bytes = account.ru_oublock * kBlock;
  if (!cpu || !memory || !io) usage.source += usage.source.empty() ? "process" : " + process";
}

Json to_json(const Usage& usage) {
  return {{"cpu_user_s", or_null(usage.cpu_user_s)},
          {"cpu_system_s", or_null(usage.cpu_system_s)},
          {"throttled_s", or_null(usage.throttled_s)},
          {"cpu_periods", or_null(usage.cpu_periods)},
          {"throttled_periods", or_null(usage.throttled_periods)},
          {"memory_bytes", or_null(usage.memory_bytes)},
          {"memory_peak_bytes", or_null(usage.memory_peak_bytes)},
          {"io_read_bytes", or_null(usage.io_read_bytes)},
          {"io_write_bytes", or_null(usage.io_write_bytes)},
          {"pressure",
           {{"cpu_some_us", or_null(usage.cpu_pressure_us)},
            {"memory_some_us", or_null(usage.memory_pressure_us)},
            {"io_some_us", or_null(usage.io_pressure_us)}}},
          {"source", usage.source}};
}

Usage usage_from_json(const Json& json) {
  Usage out;
  const auto real = [](const Json& from, const char* key, std::optional<double>& into) {
    if (const Json& value = at_or_null(from, key); value.is_number()) into = value.get<double>();
  };
  const auto count = [](const Json& from, const char* key, std::optional<uint64_t>& into) {
    if (const Json& value = at_or_null(from, key); value.is_number_unsigned()) into = value.get<uint64_t>();
  };
  real(json, "cpu_user_s", out.cpu_user_s);
  real(json, "cpu_system_s", out.cpu_system_s);
  real(json, "throttled_s", out.throttled_s);
  count(json, "cpu_periods", out.cpu_periods);
  count(json, "throttled_periods", out.throttled_periods);
  count(json, "memory_bytes", out.memory_bytes);
  count(json, "memory_peak_bytes", out.memory_peak_bytes);
  count(json, "io_read_bytes", out.io_read_bytes);
  count(json, "io_write_bytes", out.io_write_bytes);
  const Json& pressure = at_or_null(json, "pressure");
  count(pressure, "cpu_some_us", out.cpu_pressure_us);
  count(pressure, "memory_some_us", out.memory_pressure_us);
  count(pressure, "io_some_us", out.io_pressure_us);
  out.source = text_or(json, "source");
  return out;
}

namespace {

/// "oom" of memory.events.local: how often this very cgroup's limit made the kernel look for a victim.
std::optional<uint64_t> local_ooms(int dir) {
  const auto text = read_file_at(dir, kMemoryEventsLocal);
  return text ? keyed_value(*text, "oom") : std::nullopt;
}

/// v1: how often the limit was hit, reclaimed or not. With a swap limit the same hit may be counted against
/// memory and swap together.
uint64_t v1_hits(int dir) {
  uint64_t sum = 0;
  for (const char* counter : {kV1MemoryFailcnt, kV1MemorySwapFailcnt})
    sum += parse_u64(trim(read_or_empty(dir, counter))).value_or(0);
  return sum;
}

/// A counter's growth; one that was reset meanwhile has grown by what it shows.
uint64_t grown(uint64_t now, uint64_t before) { return now >= before ? now - before : now; }

/// How often systemd-oomd has killed in this cgroup: extended attributes that it counts up, user.oomd_ooms
/// before a kill (systemd 251) and user.oomd_kill after it. They go with the cgroup, and nothing else tells.
uint64_t oomd_marks(int dir) {
  uint64_t sum = 0;
  char text[24];
  for (const char* name : {"user.oomd_ooms", "user.oomd_kill"})
    if (const ssize_t size = ::fgetxattr(dir, name, text, sizeof text); size > 0)
      sum += parse_u64(trim(std::string_view(text, static_cast<size_t>(size)))).value_or(0);
  return sum;
}

}  // namespace

OomWatch::OomWatch(const Leaf& leaf) {
  const CgroupDir* memory = leaf.of(Controller::memory);
  if (!memory) return;
  leaf_ = memory->fd.get();
  v1_ = memory->hierarchy.dialect == Dialect::v1;
  if (v1_) {
    kills_before_ = keyed_value(read_or_empty(leaf_, kV1MemoryOomControl), "oom_kill").value_or(0);
    hits_before_ = v1_hits(leaf_);
    return;
  }
  kills_before_ = keyed_value(read_or_empty(leaf_, kMemoryEvents), "oom_kill").value_or(0);
  hits_before_ = local_ooms(leaf_).value_or(0);
  marks_before_ = oomd_marks(leaf_);
  path_ = memory->path;
  std::string prefix = "..", path = memory->path;
  for (int level = memory->depth(); level > 0; level--, prefix += "/..") {
    path.erase(path.rfind('/'));
    auto dir = open_dir(leaf_, prefix);
    if (!dir) break;
    if (const auto ooms = local_ooms(dir->get()))
      above_.push_back({path, *ooms, oomd_marks(dir->get()), std::move(*dir)});
  }
}

OomWatch::Verdict OomWatch::judge() const {
  Verdict out;
  if (leaf_ < 0) return out;
  if (v1_) {
    // oom_kill stands in memory.oom_control since 4.13; failcnt counts hits of the limit, reclaimed or not.
    const std::string control = read_or_empty(leaf_, kV1MemoryOomControl);
    out.asked = !control.empty();
    out.kills = grown(keyed_value(control, "oom_kill").value_or(0), kills_before_);
    out.own_limit = out.kills > 0 && grown(v1_hits(leaf_), hits_before_) > 0;
    // Where memory and swap have one limit, neither counter moves (6.18): having stood at the limit is the
    // evidence.
    const auto number = [&](const char* file) {
      return parse_u64(trim(read_or_empty(leaf_, file))).value_or(0);
    };
    constexpr uint64_t kNear = 1 << 20;
    const uint64_t limit = number(kV1MemoryLimit);
    out.own_limit |= out.kills > 0 && limit > 0 && number(kV1MemoryPeak) + kNear >= limit;
    return out;
  }
  const auto events = read_file_at(leaf_, kMemoryEvents);
  // "oom_kill", not "oom": the latter also counts charges that failed without a victim.
  out.asked = events.has_value();
  out.kills = events ? grown(keyed_value(*events, "oom_kill").value_or(0), kills_before_) : 0;
  if (oomd_marks(leaf_) > marks_before_) out.oomd = path_;
  for (const auto& ancestor : above_)
    if (out.oomd.empty() && oomd_marks(ancestor.dir.get()) > ancestor.marks) out.oomd = ancestor.path;
  if (out.kills == 0) return out;
  out.own_limit = grown(local_ooms(leaf_).value_or(0), hits_before_) > 0;
  for (const auto& ancestor : above_)
    if (!out.own_limit && out.parent.empty() && local_ooms(ancestor.dir.get()).value_or(0) > ancestor.oom)
      out.parent = ancestor.path;
  return out;
}

}  // namespace ffrtmp
