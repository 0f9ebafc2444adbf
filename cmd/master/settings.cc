#include "settings.h"

#include "sys/text.h"
#include "sys/units.h"

namespace ffrtmp::master {

std::vector<Setting> settings(Options& o) {
  const auto text = [](const char* section, const char* name, std::string* at) {
    Setting s{section, name};
    s.text = at;
    return s;
  };
  const auto number = [](const char* section, const char* name, int64_t* at, int64_t least, int64_t most) {
    Setting s{section, name};
    s.number = at, s.least = least, s.most = most;
    return s;
  };
  const auto duration = [](const char* section, const char* name, int64_t* at) {
    Setting s{section, name};
    s.duration_ms = at;
    return s;
  };
  const auto flag = [](const char* section, const char* name, bool* at) {
    Setting s{section, name};
    s.flag = at;
    return s;
  };
  Setting names{"tls", "names"};
  names.list = &o.tls_names;
  return {
      text("", "listen", &o.listen),
      text("", "db", &o.db),
      text("", "state_dir", &o.state_dir),
      text("", "blob_dir", &o.blob_dir),
      text("", "log_level", &o.log_level),
      text("", "log_format", &o.log_format),
      flag("", "insecure_http", &o.insecure_http),
      flag("", "allow_inward_urls", &o.allow_inward_urls),
      text("tls", "cert", &o.tls_cert),
      text("tls", "key", &o.tls_key),
      text("tls", "client_ca", &o.client_ca),
      names,
      number("limits", "connections", &o.most_connections, 16, 1'000'000),
      number("limits", "connections_per_address", &o.most_per_address, 0, 1'000'000),
      number("limits", "connections_per_key", &o.connections_per_key, 0, 1'000'000),
      number("limits", "requests_per_second", &o.requests_per_second, 0, 1'000'000),
      number("limits", "burst", &o.burst, 1, 1'000'000),
      number("limits", "open_requests_per_key", &o.open_per_key, 0, 1'000'000),
      duration("limits", "header_timeout", &o.header_timeout_ms),
      duration("limits", "body_timeout", &o.body_timeout_ms),
      duration("limits", "idle_timeout", &o.idle_timeout_ms),
      number("limits", "worker_threads", &o.worker_threads, 2, 512),
      number("limits", "log_bytes_per_attempt", &o.log_cap_bytes, 1024, INT64_C(1) << 32),
      number("limits", "artifact_bytes", &o.most_artifact_bytes, 1, INT64_C(1) << 44),
      number("limits", "drain_seconds", &o.drain_seconds, 0, 3600),
      duration("timers", "offer", &o.periods.offer),
      duration("timers", "heartbeat_min", &o.periods.least_heartbeat),
      duration("timers", "heartbeat_max", &o.periods.most_heartbeat),
      number("timers", "heartbeats_per_second", &o.periods.heartbeats_per_second, 1, 100'000),
      duration("timers", "run_slack", &o.periods.run_slack),
      duration("timers", "forget_slack", &o.periods.forget_slack),
      duration("timers", "retry_first", &o.periods.backoff.first_ms),
      duration("timers", "retry_max", &o.periods.backoff.most_ms),
      duration("timers", "restart_grace", &o.restart_grace_ms),
      duration("retention", "jobs", &o.retention.jobs_ms),
      duration("retention", "events", &o.retention.events_ms),
  };
}

Status set(const Setting& s, const std::string& where, const std::string& value) {
  if (s.text != nullptr) {
    *s.text = value;
  } else if (s.list != nullptr) {
    s.list->clear();
    for (const auto word : split(value, ','))
      if (!trim(word).empty()) s.list->emplace_back(trim(word));
  } else if (s.flag != nullptr) {
    if (value != "true" && value != "false") return bad_input(where + ":", value, "give true or false");
    *s.flag = value == "true";
  } else if (s.duration_ms != nullptr) {
    const auto duration = parse_duration(value);
    if (!duration) return bad_input(where + ":", value, duration.error().hint);
    *s.duration_ms = duration->count() / 1'000'000;
  } else {
    const auto number = parse_i64(value);
    if (!number || *number < s.least || *number > s.most)
      return bad_input(where + ":", value,
                       "give a number from " + std::to_string(s.least) + " to " + std::to_string(s.most));
    *s.number = *number;
  }
  return {};
}

}  // namespace ffrtmp::master
