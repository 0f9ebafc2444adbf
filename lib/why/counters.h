#pragma once

#include <map>
#include <optional>
#include <string>
#include <vector>

#include "cgroup/leaf.h"
#include "cgroup/limit.h"
#include "why/observation.h"

namespace ffrtmp {

/// The counters of one cgroup: the job's own (first) and those above it, whose limits it shares.
struct LevelCounters {
  std::string path;
  std::optional<CpuMax> quota;
  std::optional<double> throttled_s;  ///< summed over CPUs
  std::optional<uint64_t> periods, throttled_periods;
  std::optional<uint64_t> high, max;  ///< bytes
  std::optional<uint64_t> high_events, max_events;
};

struct ThreadCounters {
  std::string name;
  double cpu_s = 0, waited_s = 0;  ///< /proc/PID/task/TID/schedstat: on a CPU, and runnable without one
};

/// A process outside the job: what /proc/PID/stat counts of it.
struct OtherCounters {
  std::string name;
  uint64_t start_ticks = 0;
  double cpu_s = 0;
};

/// Everything that grows, at one moment. Absent values were not to be had.
struct Counters {
  double at_s = 0;  ///< monotonic
  std::optional<double> cpu_s;
  std::vector<LevelCounters> cpu_levels, memory_levels;
  std::map<pid_t, ThreadCounters> threads;
  std::map<pid_t, OtherCounters> others;
  std::optional<double> memory_pressure_s, io_pressure_s, host_cpu_s, host_memory_s, host_io_s;
  std::optional<uint64_t> memory_bytes, memory_peak_bytes, read_bytes, write_bytes;
  std::optional<double> media_s;      ///< media time reached,
  double media_at_s = 0;              ///< when that was written (wall clock)
  std::optional<double> media_speed;  ///< what the program itself says, since its start
};

/// `progress_path` is "" where there is none.
Counters read_counters(const Leaf& leaf, pid_t main, const std::string& progress_path);

/// What a look at sleeping threads shows: where in the kernel, by /proc/PID/task/TID/{stat,wchan,syscall}.
struct ThreadLook {
  bool stopped = false;  ///< every thread is, of the main process
  bool disk = false, memory = false, sending = false, receiving = false;
};
ThreadLook look_at_threads(const std::vector<pid_t>& pids, pid_t main);
/// What a thread in this state at this place of the kernel waits for. Pure.
void add_wait(char state, std::string_view wchan, ThreadLook& look);

/// What a thread waits for that sleeps in this system call (its number) on a socket. Pure.
void add_socket_wait(long number, ThreadLook& look);

/// The growth between two moments. Pure.
Observation difference(const Counters& before, const Counters& after);

}  // namespace ffrtmp
