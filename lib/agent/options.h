#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "cgroup/limit.h"
#include "sys/result.h"
#include "sys/units.h"

namespace ffrtmp::agent {

/// Everything that an operator may say to the agent. Later sources win: defaults, --config FILE (TOML),
/// environment, command line.
struct Options {
  std::vector<std::string> masters;  ///< https://HOST:PORT, tried in turn
  std::string api_key;               ///< for registering; never shown
  std::string api_key_file;
  std::string ca_file, ca_pin, client_cert, client_key;
  std::string name;  ///< of the node; "" for one that is made up once
  std::vector<std::pair<std::string, std::string>> labels;
  std::string state_dir, work_dir;
  std::optional<int64_t> max_jobs;                ///< none: auto
  std::optional<int64_t> encoder_sessions;        ///< that its hardware encodes at once; none: auto
  std::string metrics_listen = "127.0.0.1:9091";  ///< "none" for no local server
  Duration poll_wait = std::chrono::seconds(30);
  bool allow_exec = false;
  bool allow_inward = false;  ///< inputs and outputs at loopback and link-local addresses
  std::vector<std::string> input_roots,
      output_roots;           ///< local paths that jobs may name lie below one of these
  std::vector<Limit> limits;  ///< no job of this node gets more
  uint64_t outbox_bytes = 64ull << 20;
  uint64_t disk_reserve = 1ull << 30;  ///< with less free space for work no job is taken
  uint64_t log_bytes = 4ull << 20;     ///< kept of what a job prints
  std::string log_level = "info", log_format = "text";
  std::string config;
  bool check = false;
  bool register_now = false;  ///< --register: accepted; the agent registers by itself when it has no identity
  bool drain = false;         ///< finish what there is, take no more, then leave
};

/// Reads all sources and checks them. --help and --version end the process. Secrets given as arguments are
/// overwritten in `argv`, so that no process list shows them.
Result<Options> read_options(int argc, char** argv);

/// The file and the environment again, for a reload; what only a start can change stays as it is in `now`.
Result<Options> reread_options(const Options& now);

/// `auto`: a job for every two CPUs that we may use, one at least.
int64_t slots_of(const Options& options);

}  // namespace ffrtmp::agent
