#pragma once

#include "cgroup/leaf.h"
#include "proc/process_ref.h"
#include "sys/units.h"

namespace ffrtmp {

/// How far a stop had to go.
enum class StopStep { ended_already, interrupted, terminated, killed, refused };
std::string_view stop_step_name(StopStep step);

/// What was asked to be stopped.
struct StopTarget {
  const ProcessRef* workload = nullptr;
  const Leaf* leaf = nullptr;   ///< may be without folders: then the workload and its process group are meant
  bool finishes_files = false;  ///< FFmpeg, gst-launch: after SIGINT it writes what makes its files whole
};

/// Stops a workload because an operator or a time limit said so: SIGINT to each of its processes, then
/// patience while it finishes its files, SIGTERM after `grace`, and after another `grace` the whole group.
/// FFmpeg leaves abruptly at its fourth signal; here it gets at most two that it can count. Blocks until it
/// has ended. Errors: EPERM when the process is not ours to signal.
Result<StopStep> stop_workload(const StopTarget& target, Duration grace);

constexpr Duration kStopGrace = std::chrono::seconds(10);

}  // namespace ffrtmp
