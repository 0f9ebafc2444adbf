#pragma once

#include <sys/resource.h>

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "cgroup/leaf.h"
#include "sys/json.h"

namespace ffrtmp {

/// What a job used. Absent values were not to be had; nothing is estimated.
struct Usage {
  std::optional<double> cpu_user_s, cpu_system_s;
  std::optional<double> throttled_s;  ///< time its threads were held back by cpu.max
  std::optional<uint64_t>
      cpu_periods;  ///< of cpu.max in which it ran, and in how many of them it was held back
  std::optional<uint64_t> throttled_periods;
  std::optional<uint64_t> memory_bytes;  ///< now
  std::optional<uint64_t> memory_peak_bytes;
  std::optional<uint64_t> io_read_bytes, io_write_bytes;  ///< that reached or left storage
  std::optional<uint64_t> cpu_pressure_us, memory_pressure_us, io_pressure_us;  ///< PSI "some" totals
  std::string source;  ///< "cgroup v2", "cgroup v1", "process", mixes with '+'
};
Json to_json(const Usage& usage);
Usage usage_from_json(const Json& json);

/// Reads what the leaf's control files tell now. ENODEV or absent files leave values out.
Usage read_usage(const Leaf& leaf);
/// Fills what the cgroup did not tell from wait4(2)'s account of the process and its waited-for children.
void add_rusage(Usage& usage, const rusage& account);

/// Counters of out-of-memory kills around a job, so that afterwards the killer can be told from the
/// bystanders. Held from before the start: the baseline of a shared ancestor is not zero.
class OomWatch {
 public:
  explicit OomWatch(const Leaf& leaf);
  struct Verdict {
    bool asked = false;      ///< the counters could be read; without them nothing below means anything
    uint64_t kills = 0;      ///< processes of the job killed by any OOM killer
    bool own_limit = false;  ///< the job's own memory limit was hit
    std::string parent;      ///< the ancestor whose limit was hit, or empty
    std::string oomd;        ///< the cgroup that systemd-oomd has marked as killed meanwhile, or empty
  };
  Verdict judge() const;

 private:
  struct Ancestor {
    std::string path;
    uint64_t oom;    ///< memory.events.local "oom"
    uint64_t marks;  ///< of systemd-oomd
    Fd dir;
  };
  std::vector<Ancestor> above_;
  std::string path_;
  int leaf_ = -1;
  /// A cgroup that was there before us has a history.
  uint64_t kills_before_ = 0, hits_before_ = 0, marks_before_ = 0;
  bool v1_ = false;
};

}  // namespace ffrtmp
