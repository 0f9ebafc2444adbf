#pragma once

#include <cstdint>
#include <string>
#include <utility>
#include <vector>

#include "sys/json_reader.h"

namespace ffrtmp::queue {

using Labels = std::vector<std::pair<std::string, std::string>>;

/// What a job needs of a node. Zero and empty mean "does not matter".
struct Needs {
  std::string type;        ///< job type
  int64_t millicores = 0;  ///< thousandths of a core
  int64_t memory_bytes = 0;
  int64_t disk_bytes = 0;
  int64_t encoder_sessions = 0;
  bool gpu = false;
  std::vector<std::string> encoders, tools;
  Labels labels;
  std::string spread;  ///< anti-affinity: no node runs two jobs of one group
  std::string node;    ///< this node and no other
};

/// What a node has in all.
struct NodeCaps {
  int64_t millicores = 0;
  int64_t memory_bytes = 0;
  int64_t disk_bytes = 0;
  int64_t encoder_sessions = 0;
  int64_t max_jobs = 1;
  bool gpu = false;
  std::vector<std::string> encoders, tools, types;
  Labels labels;
};

/// What a node says is free now; it knows what else runs there.
struct Free {
  int64_t millicores = 0;
  int64_t memory_bytes = 0;
  int64_t disk_bytes = 0;
  int64_t encoder_sessions = 0;
  int64_t slots = 0;
  /// Attempts whose work has ended and whose files are on their way: they hold no slot.
  int64_t delivering = 0;
};

/// One constraint that a node does not meet, for `why`.
struct Unmet {
  std::string what;  ///< "cores", "label zone", "job type"
  std::string wanted;
  std::string has;
};

Needs read_needs(const Json& json, const std::string& path, FieldErrors& errors);
/// Canonical: equal needs give equal text (lists are sorted), which is what makes job classes few.
Json needs_json(const Needs& needs);
/// The reverse of `needs_json`, from our own database.
Needs needs_from(const Json& json);

NodeCaps read_caps(const Json& json, const std::string& path, FieldErrors& errors);
Free read_free(const Json& json, const std::string& path, FieldErrors& errors);

/// Everything in which the whole node falls short of the needs, idle or not. Empty: it can run it.
std::vector<Unmet> unmet(const Needs& needs, const NodeCaps& caps, const std::string& node_id);
/// Whether it fits into what is free now.
bool fits(const Needs& needs, const Free& free);
void take(const Needs& needs, Free& free);

}  // namespace ffrtmp::queue
