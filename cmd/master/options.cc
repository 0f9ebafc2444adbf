#include "options.h"

#include <sys/stat.h>
#include <unistd.h>

#include <CLI/CLI.hpp>
#define TOML_EXCEPTIONS 0
#include <toml++/toml.h>

#include "sys/file.h"
#include "sys/text.h"
#include "sys/units.h"

namespace ffrtmp::master {

namespace {

/// One setting under its name in the file; the environment's name is FFRTMP_MASTER_ and the name in capitals.
struct Setting {
  std::string section, name;
  std::string* text = nullptr;
  int64_t* number = nullptr;
  int64_t least = 0, most = 0;
  bool* flag = nullptr;
  int64_t* duration_ms = nullptr;
  std::vector<std::string>* list = nullptr;
};

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
      number("limits", "requests_per_second", &o.requests_per_second, 0, 1'000'000),
      number("limits", "burst", &o.burst, 1, 1'000'000),
      number("limits", "open_requests_per_key", &o.open_per_key, 0, 1'000'000),
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

std::string line_of(const std::string& file, const toml::node& node) {
  return file + ":" + std::to_string(node.source().begin.line);
}

Status set_from_toml(const Setting& s, const std::string& where, const toml::node& node) {
  const std::string at = where + " " + (s.section.empty() ? "" : s.section + ".") + s.name;
  if (s.list != nullptr) {
    const auto* list = node.as_array();
    if (list == nullptr) return bad_input(at, "must be a list of strings");
    s.list->clear();
    for (const auto& item : *list) {
      const auto text = item.value<std::string>();
      if (!text) return bad_input(at, "must be a list of strings");
      s.list->push_back(*text);
    }
    return {};
  }
  if (s.number != nullptr) {
    const auto number = node.is_integer() ? node.value<int64_t>() : std::nullopt;
    if (!number) return bad_input(at, "must be a whole number");
    return set(s, at, std::to_string(*number));
  }
  if (s.flag != nullptr) {
    const auto flag = node.is_boolean() ? node.value<bool>() : std::nullopt;
    if (!flag) return bad_input(at, "must be true or false");
    *s.flag = *flag;
    return {};
  }
  const auto text = node.is_string() ? node.value<std::string>() : std::nullopt;
  if (!text)
    return bad_input(
        at, s.duration_ms != nullptr ? "must be a duration in quotes such as \"30s\"" : "must be a string");
  return set(s, at, *text);
}

Status read_tenants(Options& options, const std::string& file, const toml::node& node) {
  const auto* table = node.as_table();
  if (table == nullptr)
    return bad_input(line_of(file, node) + " tenants", "must hold a table for each tenant");
  for (const auto& [name, entry] : *table) {
    const auto* fields = entry.as_table();
    if (fields == nullptr)
      return bad_input(line_of(file, entry) + " tenants." + std::string(name.str()), "must be a table");
    queue::TenantPolicy policy;
    for (const auto& [key, value] : *fields) {
      const std::string at =
          line_of(file, value) + " tenants." + std::string(name.str()) + "." + std::string(key.str());
      const auto number = value.is_integer() ? value.value<int64_t>() : std::nullopt;
      if (!number || *number < 0 || *number > 1'000'000)
        return bad_input(at, "must be a number from 0 to 1000000");
      if (key.str() == "weight" && *number > 0)
        policy.weight = *number;
      else if (key.str() == "max_running")
        policy.max_running = *number;
      else
        return bad_input(at, "is not known", "a tenant has weight (from 1) and max_running");
    }
    options.tenants[std::string(name.str())] = policy;
  }
  return {};
}

Status read_file_into(Options& options) {
  if (options.config.empty()) return {};
  TRY(const std::string text, read_file(options.config));
  toml::parse_result parsed = toml::parse(text, options.config);
  if (!parsed)
    return bad_input(options.config + ":" + std::to_string(parsed.error().source().begin.line),
                     std::string(parsed.error().description()));
  options.tenants.clear();
  const auto all = settings(options);
  std::vector<std::string> known{"tls", "limits", "timers", "retention", "tenants"};
  for (const auto& s : all)
    if (s.section.empty()) known.push_back(s.name);
  const toml::table& table = parsed.table();
  for (const auto& [key, node] : table) {
    const std::string name(key.str());
    if (name == "tenants") {
      TRY_OK(read_tenants(options, options.config, node));
      continue;
    }
    const auto* section = node.as_table();
    std::vector<std::string> inner;
    for (const auto& s : all)
      if (s.section == name) inner.push_back(s.name);
    if (section != nullptr && !inner.empty()) {
      for (const auto& [field, value] : *section) {
        const auto found = std::ranges::find_if(
            all, [&](const Setting& s) { return s.section == name && s.name == field.str(); });
        if (found == all.end()) {
          const auto near = nearest(field.str(), inner);
          return bad_input(line_of(options.config, value) + " " + name + "." + std::string(field.str()),
                           "is not known",
                           near ? "did you mean " + *near + "?" : "known: " + join(inner, ", "));
        }
        TRY_OK(set_from_toml(*found, line_of(options.config, value), value));
      }
      continue;
    }
    const auto found =
        std::ranges::find_if(all, [&](const Setting& s) { return s.section.empty() && s.name == name; });
    if (found == all.end()) {
      const auto near = nearest(name, known);
      return bad_input(line_of(options.config, node) + " " + name, "is not known",
                       near ? "did you mean " + *near + "?" : "known: " + join(known, ", "));
    }
    TRY_OK(set_from_toml(*found, line_of(options.config, node), node));
  }
  return {};
}

Status read_environment(Options& options) {
  for (const auto& s : settings(options)) {
    std::string name = "FFRTMP_MASTER_" + (s.section.empty() ? "" : s.section + "_") + s.name;
    std::ranges::transform(name, name.begin(),
                           [](char c) { return c >= 'a' && c <= 'z' ? static_cast<char>(c - 32) : c; });
    if (const char* value = ::getenv(name.c_str()); value != nullptr) TRY_OK(set(s, name, value));
  }
  return {};
}

Status validate(Options& options) {
  if (options.tls_cert.empty() != options.tls_key.empty())
    return bad_input("half a TLS pair:", options.tls_cert.empty() ? "--tls-key" : "--tls-cert",
                     "give both --tls-cert and --tls-key, or neither");
  for (const auto* file : {&options.tls_cert, &options.tls_key, &options.client_ca})
    if (!file->empty()) TRY_OK(read_file(*file));
  if (!options.client_ca.empty() && options.insecure_http)
    return bad_input("--client-ca needs TLS", "", "drop --insecure-http");
  const std::vector<std::string> levels{"debug", "info", "warning", "error"}, formats{"text", "json"};
  if (std::ranges::find(levels, options.log_level) == levels.end())
    return bad_input("not a log level:", options.log_level, "give " + join(levels, ", "));
  if (std::ranges::find(formats, options.log_format) == formats.end())
    return bad_input("not a log format:", options.log_format, "give text or json");
  const size_t colon = options.listen.rfind(':');
  const auto port = colon == std::string::npos
                        ? std::nullopt
                        : parse_u64(std::string_view(options.listen).substr(colon + 1));
  if (!port || *port > 65535)
    return bad_input("not an address to listen on:", options.listen, "give HOST:PORT");
  const std::string host = options.listen.substr(0, colon);
  if (options.insecure_http && host != "127.0.0.1" && host != "[::1]" && host != "localhost")
    return bad_input("plain HTTP on", host, "only a loopback address may go without TLS");
  if (options.periods.least_heartbeat > options.periods.most_heartbeat)
    return bad_input("timers.heartbeat_min is above timers.heartbeat_max", "");
  if (options.state_dir.empty()) {
    const char* given = ::getenv("STATE_DIRECTORY");
    const char* home = ::getenv("HOME");
    options.state_dir = given != nullptr   ? given
                        : ::geteuid() == 0 ? "/var/lib/ffrtmp-master"
                        : home != nullptr  ? std::string(home) + "/.local/state/ffrtmp-master"
                                           : "";
    if (options.state_dir.empty())
      return bad_input("no folder for the master's state", "", "give --state-dir");
  }
  if (options.db.empty()) options.db = "sqlite:" + options.state_dir + "/master.db";
  if (options.blob_dir.empty()) options.blob_dir = options.state_dir + "/blobs";
  return {};
}

}  // namespace

Result<Options> read_options(int argc, char** argv) {
  Options flags;
  CLI::App app{"The queue of an ffrtmp fleet: holds jobs, gives them to agents, keeps their results."};
  app.set_version_flag("--version", FFRTMP_VERSION);
  std::map<std::string, std::string> texts;
  bool check = false, insecure = false, inward = false;
  std::string config;
  app.add_option("--config", config, "TOML file; unknown settings are errors");
  app.add_flag("--check", check, "read everything, say whether it is right, and stop");
  const std::pair<const char*, const char*> options[] = {
      {"listen", "HOST:PORT (0.0.0.0:8443)"},
      {"db", "sqlite:PATH or postgres://…; a URL with a password belongs in FFRTMP_MASTER_DB or the file"},
      {"tls-cert", "PEM chain; without it the master makes its own CA"},
      {"tls-key", "PEM key"},
      {"client-ca", "PEM: clients must show a certificate under it"},
      {"tls-names", "names and addresses in its own certificate, with commas"},
      {"state-dir", "folder for the database, keys and uploads"},
      {"blob-dir", "folder for uploads, shared by all masters of one fleet"},
      {"log-level", "debug, info, warning, error"},
      {"log-format", "text or json"}};
  for (const auto& [name, help] : options) app.add_option(std::string("--") + name, texts[name], help);
  app.add_flag("--insecure-http", insecure, "no TLS; loopback only, behind a proxy of yours");
  app.add_flag("--allow-inward-urls", inward,
               "take webhook and input URLs that point to loopback or link-local");
  try {
    app.parse(argc, argv);
  } catch (const CLI::ParseError& error) {
    if (error.get_exit_code() == 0) {
      app.exit(error);
      ::exit(0);
    }
    return bad_input(error.what(), "", "see --help");
  }
  Options out;
  out.config = config;
  if (const char* file = ::getenv("FFRTMP_MASTER_CONFIG"); out.config.empty() && file != nullptr)
    out.config = file;
  TRY_OK(read_file_into(out));
  TRY_OK(read_environment(out));
  for (const auto& [flag, value] : texts) {
    if (app.get_option("--" + flag)->empty()) continue;
    std::string name = flag;
    std::ranges::replace(name, '-', '_');
    if (name.starts_with("tls_") || name == "client_ca") name = name == "client_ca" ? name : name.substr(4);
    for (const auto& s : settings(out))
      if (s.name == name) TRY_OK(set(s, "--" + flag, value));
  }
  out.check = check;
  out.insecure_http |= insecure;
  out.allow_inward_urls |= inward;
  // A password on the command line is read by everybody with ps.
  if (const std::string& db = texts["db"];
      db.starts_with("postgres") && db.find("://") != std::string::npos) {
    const std::string authority = db.substr(db.find("://") + 3, db.find('@') - db.find("://") - 3);
    if (db.find('@') != std::string::npos && authority.find(':') != std::string::npos)
      return bad_input("a password on the command line:", "--db",
                       "give the URL in FFRTMP_MASTER_DB or the configuration file");
  }
  TRY_OK(validate(out));
  return out;
}

Status reread_config(Options& options) {
  Options fresh;
  fresh.config = options.config;
  TRY_OK(read_file_into(fresh));
  TRY_OK(read_environment(fresh));
  const std::string state_dir = options.state_dir;
  fresh.state_dir = state_dir;
  TRY_OK(validate(fresh));
  options.requests_per_second = fresh.requests_per_second;
  options.burst = fresh.burst;
  options.open_per_key = fresh.open_per_key;
  options.log_cap_bytes = fresh.log_cap_bytes;
  options.most_artifact_bytes = fresh.most_artifact_bytes;
  options.periods = fresh.periods;
  options.retention = fresh.retention;
  options.tenants = fresh.tenants;
  options.log_level = fresh.log_level;
  options.allow_inward_urls |= fresh.allow_inward_urls;
  return {};
}

}  // namespace ffrtmp::master
