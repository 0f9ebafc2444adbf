#include "options.h"

#include <sys/stat.h>
#include <unistd.h>

#include <CLI/CLI.hpp>

#include "net/certificates.h"
#include "net/tls_identity.h"
#include "settings.h"
#include "sys/environment.h"
#include "sys/file.h"
#include "sys/host_port.h"
#include "sys/log.h"
#include "sys/text.h"

namespace ffrtmp::master {

namespace {

Status read_environment(Options& options) {
  for (const auto& s : settings(options)) {
    std::string name = "FFRTMP_MASTER_" + s.path();
    std::ranges::transform(name, name.begin(), [](char c) {
      return c == '.' ? '_' : c >= 'a' && c <= 'z' ? static_cast<char>(c - 32) : c;
    });
    if (const char* value = ::getenv(name.c_str()); value != nullptr) TRY_OK(set(s, name, value));
  }
  return {};
}

/// What the command line says stands above the file, at the start and at every reload.
Status apply_flags(Options& options) {
  for (const auto& [flag, value] : options.flags)
    for (const auto& s : settings(options)) {
      std::string name =
          s.section.empty() || s.name.starts_with("client") ? s.name : s.section + "-" + s.name;
      std::ranges::replace(name, '_', '-');
      if (name == flag) TRY_OK(set(s, "--" + flag, value));
    }
  return {};
}

/// Half a TLS configuration would start and then refuse, or worse admit, everybody: it is refused here.
Status validate_tls(const Options& options) {
  if (!options.tls_cert.empty()) {
    TRY(const std::string certificate, read_file(options.tls_cert));
    TRY(const std::string key, read_file(options.tls_key));
    net::TlsIdentity pair;
    if (const Status fits = pair.load(certificate, key); !fits)
      return bad_input("not a TLS pair:", options.tls_cert + " and " + options.tls_key,
                       fits.error().message());
  }
  if (!options.client_ca.empty()) {
    TRY(const std::string ca, read_file(options.client_ca));
    if (const Status usable = net::check_authorities(ca); !usable)
      return bad_input("not certificates of authorities:", options.client_ca, usable.error().message());
  }
  return {};
}

Status validate(Options& options) {
  if (options.tls_cert.empty() != options.tls_key.empty())
    return bad_input("half a TLS pair:", options.tls_cert.empty() ? "--tls-key" : "--tls-cert",
                     "give both --tls-cert and --tls-key, or neither");
  if (options.insecure_http && !(options.client_ca + options.tls_cert).empty())
    return bad_input("--insecure-http with", options.client_ca.empty() ? "--tls-cert" : "--client-ca",
                     "TLS or no TLS: drop one of the two");
  TRY_OK(validate_tls(options));
  TRY_OK(check_log_words(options.log_level, options.log_format));
  const auto listen = parse_host_port(options.listen);
  if (!listen) return bad_input("not an address to listen on:", options.listen, "give HOST:PORT");
  if (options.insecure_http && !names_loopback(listen->host))
    return bad_input("plain HTTP on", listen->host, "only a loopback address may go without TLS");
  if (options.periods.least_heartbeat > options.periods.most_heartbeat)
    return bad_input("timers.heartbeat_min is above timers.heartbeat_max", "");
  if (options.state_dir.empty()) {
    options.state_dir = service_state_folder("ffrtmp-master");
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
  TRY_OK(read_config_file(out));
  TRY_OK(read_environment(out));
  for (const auto& [flag, value] : texts)
    if (!app.get_option("--" + flag)->empty()) out.flags[flag] = value;
  TRY_OK(apply_flags(out));
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
  fresh.flags = options.flags;
  fresh.insecure_http = options.insecure_http;
  fresh.state_dir = options.state_dir;
  TRY_OK(read_config_file(fresh));
  TRY_OK(read_environment(fresh));
  TRY_OK(apply_flags(fresh));
  TRY_OK(validate(fresh));
  options.requests_per_second = fresh.requests_per_second;
  options.burst = fresh.burst;
  options.open_per_key = fresh.open_per_key;
  options.connections_per_key = fresh.connections_per_key;
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
