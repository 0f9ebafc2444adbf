#pragma once

#include <sys/types.h>

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "cgroup/limit.h"
#include "jobs/sample.h"

namespace ffrtmp {

/// What is known of a job's traffic on sockets: from where its threads sleep, and from the kernel's account
/// of its TCP connections.
struct NetworkView {
  double sending = 0;    ///< share of looks at which a thread was blocked sending (TCP's send buffer full)
  double receiving = 0;  ///< the same, blocked until something arrives
  std::optional<Standstill> stalled;  ///< a peer takes no more data
};

/// The process outside the job that used most CPU time meanwhile.
struct OtherLoad {
  std::string name;
  pid_t pid = 0;
  double cpus = 0;
};

/// What was seen of a running job over a window of time, by the kernel's own counters. Absent values were not
/// to be had. "CPUs" are CPU seconds in a second. Filled by watch_job(); judged by find_causes().
struct Observation {
  double window_s = 0;

  std::optional<double> cpus_used;
  std::optional<double> throttled_share;  ///< of the quota's periods in which it used its quota up
  std::optional<double> throttled_cpus;   ///< CPUs that stood still with work to do because of it
  std::optional<CpuMax> quota;            ///< of the cgroup that throttles, or the job's own
  std::string throttled_by;               ///< that cgroup's path when it is one above the job
  std::optional<double> waiting_cpus;     ///< threads that were runnable and had no CPU, on average
  double busiest_thread = 0;              ///< CPUs used by the busiest of its threads
  std::string busiest_name;
  std::optional<OtherLoad> busiest_other;
  unsigned cpus_allowed = 0, cpus_host = 0;  ///< 0: not known

  std::optional<uint64_t> memory_bytes, memory_peak_bytes;
  std::optional<uint64_t> memory_high, memory_max;       ///< the tightest over the job and what is above it
  std::optional<uint64_t> high_events, max_events;       ///< how often they were hit in the window
  std::string memory_by;                                 ///< the cgroup above whose limit was hit; empty: own
  std::optional<double> memory_pressure, io_pressure;    ///< PSI "some" of the job, share of the window
  std::optional<double> host_cpu, host_memory, host_io;  ///< PSI "some" of the host
  std::optional<double> read_bps, write_bps;             ///< that reached or left storage
  std::vector<IoMax> io_limits;                          ///< in force
  std::optional<double> disk_wait, memory_wait;          ///< share of looks at which a thread slept for it
  std::optional<NetworkView> network;

  std::optional<double> speed;  ///< media seconds in a second
  bool stopped = false;         ///< by SIGSTOP or the like
  std::string unseen;           ///< what could not be measured here, and why; a phrase
};

}  // namespace ffrtmp
