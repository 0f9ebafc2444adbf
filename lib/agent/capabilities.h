#pragma once

#include <string>

#include "agent/options.h"
#include "proc/child.h"
#include "sys/json.h"

namespace ffrtmp::agent {

/// Starts `ffrtmp capabilities --json` into a file of the state folder: encoders are tried by real encodes,
/// which takes seconds where nothing is remembered.
Result<Child> start_probe(const std::string& wrapper, const std::string& state_dir, bool fresh);
/// What the last probe found; {} where there was none.
Json probed(const std::string& state_dir);

/// What a node says of itself when it registers (docs/API.md): what the probe found, job types with their
/// parameters, cores, memory, disk, labels, slots.
Json describe_node(const Options& options, const Json& probed);

/// What the node has to give now, beside what its attempts were promised.
struct Promised {
  int64_t jobs = 0, delivering = 0;
  double cores = 0;
  uint64_t memory_bytes = 0, disk_bytes = 0, encoder_sessions = 0;
};
/// What is free for more. `sessions`: what the node has told of its encoder sessions in all.
Json free_now(const Options& options, const Promised& promised, uint64_t sessions);
/// How many streams its hardware encodes at once: what the operator said, else as many as jobs where a
/// hardware encoder works. Drivers do not tell, and trying it out would take sessions from streams that are
/// live.
uint64_t encoder_sessions(const Options& options, const Json& probed);
/// Bytes free for work, less what is kept in reserve.
uint64_t free_disk(const Options& options);
/// CPUs that this process may use.
int64_t usable_cpus();

}  // namespace ffrtmp::agent
