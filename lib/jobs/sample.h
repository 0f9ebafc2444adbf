#pragma once

#include <optional>
#include <string>
#include <vector>

#include "cgroup/meters.h"
#include "jobs/job_store.h"
#include "jobs/media.h"
#include "proc/output_files.h"
#include "proc/tcp.h"

namespace ffrtmp {

/// What a living job does, seen from outside at one moment and without touching its processes.
struct Sample {
  Duration at{};  ///< CLOCK_MONOTONIC
  Usage usage;
  std::optional<MediaProgress> media;  ///< from its progress file, where there is one
  std::vector<TcpConnection> connections;
  std::vector<OutputFile> files;  ///< that it writes; not its log, nor its progress file
};
/// Empty but for media when the job has ended.
Sample take_sample(const Host& host, const StoredJob& job);

/// What went through between two samples of the same job, a second. Absent: not to be told.
struct Rates {
  std::optional<double> cpu_cores;        ///< CPU seconds
  std::optional<double> throttled_share;  ///< of the periods of cpu.max: 0 to 1
  std::optional<double> cpu_pressure, memory_pressure,
      io_pressure;                            ///< share of the time that some task waited: 0 to 1
  std::optional<double> read_bps, write_bps;  ///< storage, bytes
  std::optional<double> sent_bits,
      received_bits;  ///< TCP, acknowledged by the peer and arrived; both absent without connections
  std::optional<double> file_bps;  ///< growth of the files that it writes, bytes
};
Rates rates_between(const Sample& before, const Sample& after);

/// For how long a job has stood still although it lives, and on what: here a connection whose peer takes no
/// more data. nullopt when nothing shows it.
struct Standstill {
  Duration since{};
  std::string what;
};
std::optional<Standstill> network_standstill(const std::vector<TcpConnection>& connections);
/// The same, and where the stall watchdog has flagged its media time, that.
std::optional<Standstill> standstill(const Record& record, const Sample& sample);

Json to_json(const TcpConnection& connection);
Json to_json(const OutputFile& file);
Json to_json(const Rates& rates);

}  // namespace ffrtmp
