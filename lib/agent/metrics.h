#pragma once

#include <array>
#include <cstdint>
#include <string>
#include <vector>

#include "agent/attempt.h"

namespace ffrtmp::agent {

/// What is counted since the agent's start. Belongs to the loop's thread.
struct Counters {
  uint64_t granted = 0, accepted = 0, refused_grants = 0, launched = 0, adopted = 0;
  uint64_t succeeded = 0, failed = 0, cancelled = 0, dropped = 0;
  uint64_t beats = 0, failed_beats = 0, polls = 0, failed_polls = 0;
  uint64_t artifact_bytes = 0, log_bytes = 0, results_told = 0;
};

/// What is so at one moment.
struct Gauges {
  std::array<uint64_t, 6> by_step{};  ///< attempts, by Step
  uint64_t slots = 0, outbox = 0, disk_free = 0, resident_bytes = 0;
  bool master_reached = false, draining = false, ready = false;
  double silent_s = 0;  ///< since the master was heard last
};

/// OpenMetrics text; names are stable and labels bounded: no job, no file and no address is in it.
std::string metrics_text(const Counters& counters, const Gauges& gauges);

}  // namespace ffrtmp::agent
