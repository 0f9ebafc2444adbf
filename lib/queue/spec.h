#pragma once

#include <string>
#include <vector>

#include "queue/needs.h"

namespace ffrtmp::queue {

/// A file that the submitter will upload before the job can start.
struct InputFile {
  std::string name;
  int64_t size = 0;
  std::string sha256;  ///< 64 lower-case hex digits
};

/// One submitted job, checked. Times in milliseconds; 0 means "not set".
struct JobSpec {
  std::string type, tenant, queue, priority, name;
  Needs needs;
  std::vector<std::string> after;  ///< ids of jobs that must succeed first
  int64_t not_before = 0;
  int64_t deadline = 0;  ///< must have started by then
  int64_t run_timeout_ms = 0;
  int64_t progress_timeout_ms = 0;
  int64_t max_attempts = 3;
  int64_t count = 1;  ///< an array of this many equal jobs
  std::vector<InputFile> inputs;
  Json document;  ///< what the agent is given: type, name, params, input, output, inputs, labels, limits,
                  ///< offline, timeouts
};

/// What happens when the node of a running job falls silent.
struct OfflinePolicy {
  bool replace = true;      ///< give the job to another node when the lease has run out
  int64_t patience_ms = 0;  ///< beyond the node's lease
  bool stop_on_return =
      false;  ///< a node that returns to a job given away must stop it; else the first good result wins
};
OfflinePolicy offline_policy(const Json& document);

/// Reads and checks one submitted job. Errors name the field below `path`.
JobSpec read_spec(const Json& json, const std::string& path, FieldErrors& errors);

/// Checks a job's parameters against what its type declares: {"codec": {"type": "string", "enum": […],
/// "required": true}, "crf": {"type": "integer", "min": 0, "max": 51}}. An empty schema takes anything.
void check_params(const Json& params, const Json& schema, const std::string& path, FieldErrors& errors);
/// Checks a schema itself (a node sends it).
void check_schema(const Json& schema, const std::string& path, FieldErrors& errors);

/// A file name without folders: 1–128 bytes, no '/', no control characters, not "." or "..", no leading '.'
/// or '-'.
bool plain_name(const std::string& name);
bool is_sha256(const std::string& text);

/// The document with stream keys and credentials hidden, for everybody but the node that runs it.
Json redacted(const Json& document);

}  // namespace ffrtmp::queue
