#pragma once

#include <map>
#include <string>
#include <vector>

#include "queue/board.h"
#include "store/claims.h"
#include "store/sweep.h"

namespace ffrtmp::master {

/// Everything a master can be told. Sources, later ones win: defaults, configuration file, environment,
/// command line.
struct Options {
  std::string listen = "0.0.0.0:8443";
  std::string db;  ///< empty: sqlite:STATE_DIR/master.db
  std::string tls_cert, tls_key, client_ca;
  std::vector<std::string> tls_names;
  std::string config;
  std::map<std::string, std::string> flags;  ///< what the command line gave: "listen" and its value
  std::string state_dir;  ///< empty: $STATE_DIRECTORY, else /var/lib/ffrtmp-master for root, else
                          ///< ~/.local/state/ffrtmp-master
  std::string blob_dir;   ///< empty: STATE_DIR/blobs; shared by all masters of one fleet
  std::string log_level = "info", log_format = "text";
  bool check = false;
  bool insecure_http = false;  ///< only on a loopback address
  bool allow_inward_urls = false;

  int64_t most_connections = 12'000, most_per_address = 0;
  int64_t requests_per_second = 2'000, burst = 4'000, open_per_key = 6'000;
  int64_t connections_per_key = 6'000;  ///< 0: no limit
  int64_t header_timeout_ms = 15'000, body_timeout_ms = 300'000, idle_timeout_ms = 75'000;
  int64_t worker_threads = 32;
  int64_t log_cap_bytes = 16 << 20;
  int64_t most_artifact_bytes = INT64_C(1) << 40;
  int64_t drain_seconds = 20;
  int64_t restart_grace_ms = 0;  ///< 0: one lease
  store::Periods periods;
  store::Retention retention;
  std::map<std::string, queue::TenantPolicy> tenants;
};

/// Errors are one line each: where (file:line or flag), what, how to mend it.
Result<Options> read_options(int argc, char** argv);
/// Only what may change while it runs: limits, periods, retention, tenants, log level.
Status reread_config(Options& options);

}  // namespace ffrtmp::master
