#include "agent/options.h"

#include <CLI/CLI.hpp>
#include <algorithm>
#include <cstdlib>
#include <cstring>
#include <filesystem>
#include <thread>

#include "agent/options_file.h"
#include "client/master_url.h"
#include "sys/environment.h"
#include "sys/file.h"
#include "sys/host_port.h"
#include "sys/log.h"
#include "sys/text.h"

namespace ffrtmp::agent {

namespace {

/// What follows a secret's flag is overwritten: /proc/PID/cmdline is everybody's to read.
void hide_secrets(int argc, char** argv) {
  constexpr std::string_view kFlag = "--api-key";
  for (int i = 1; i < argc; i++) {
    const std::string_view word = argv[i];
    if (word == kFlag && i + 1 < argc) std::memset(argv[i + 1], '*', std::strlen(argv[i + 1]));
    if (word.starts_with("--api-key="))
      std::memset(argv[i] + kFlag.size() + 1, '*', word.size() - kFlag.size() - 1);
  }
}

Result<std::pair<std::string, std::string>> label_of(const std::string& text) {
  const size_t equals = text.find('=');
  if (equals == 0 || equals == std::string::npos || text.size() > 256)
    return bad_input("--label:", "\"" + text + "\"", "give NAME=VALUE");
  return std::pair(text.substr(0, equals), text.substr(equals + 1));
}

Status read_environment(Options& options) {
  // Taken out of the environment: the jobs that we start shall not have them.
  if (const std::string masters = take_variable("MASTER_URL"); !masters.empty()) {
    options.masters.clear();
    for (const auto one : split(masters, ','))
      if (!trim(one).empty()) options.masters.emplace_back(trim(one));
  }
  if (std::string key = take_variable("MASTER_API_KEY"); !key.empty()) options.api_key = std::move(key);
  if (const std::string ca = take_variable("MASTER_CA"); !ca.empty()) options.ca_file = ca;
  if (const std::string pin = take_variable("MASTER_CA_PIN"); !pin.empty()) options.ca_pin = pin;
  return {};
}

Status check_listen(const std::string& listen) {
  if (listen == "none") return {};
  if (!parse_host_port(listen))
    return bad_input("--metrics-listen:", "\"" + listen + "\"", "give HOST:PORT, or none");
  return {};
}

Status check_root(const std::string& root) {
  if (!root.starts_with("/") || root.find("/..") != std::string::npos)
    return bad_input("not the absolute path of a folder:", root);
  return {};
}

Status default_folders(Options& options) {
  if (options.state_dir.empty()) {
    options.state_dir = service_state_folder("ffrtmp-agent");
    if (options.state_dir.empty())
      return bad_input("no folder for the agent's state", "", "give --state-dir");
  }
  if (options.work_dir.empty()) options.work_dir = options.state_dir + "/work";
  for (auto* dir : {&options.state_dir, &options.work_dir}) {
    std::error_code error;
    *dir = std::filesystem::absolute(*dir, error).lexically_normal().string();
    while (dir->size() > 1 && dir->ends_with("/")) dir->pop_back();
    TRY_OK(check_root(*dir));
  }
  return {};
}

Status validate(Options& options) {
  if (options.masters.empty())
    return bad_input("no master", "", "give --master https://HOST:PORT, or MASTER_URL");
  for (auto& master : options.masters) TRY_OK(client::check_master_url(master));
  if (!options.ca_pin.empty() && !options.ca_file.empty())
    return bad_input("--ca and --ca-pin say the same thing", "", "give one of them");
  if (!options.ca_pin.empty() && (!options.ca_pin.starts_with("sha256:") || options.ca_pin.size() != 71))
    return bad_input("--ca-pin:", options.ca_pin.substr(0, 80),
                     "give sha256: and 64 hex digits, as the master printed them");
  if (options.client_cert.empty() != options.client_key.empty())
    return bad_input("half a pair:", options.client_cert.empty() ? "--key" : "--cert",
                     "give both --cert and --key");
  for (const auto* file : {&options.ca_file, &options.client_cert, &options.client_key})
    if (!file->empty()) TRY_OK(read_file(*file));
  if (options.api_key.empty() && !options.api_key_file.empty()) {
    TRY(const std::string text, read_file(options.api_key_file, 4096));
    options.api_key = std::string(trim(text));
    if (options.api_key.empty()) return bad_input("no key in", options.api_key_file);
  }
  if (options.api_key.find_first_of(" \t\r\n") != std::string::npos)
    return bad_input("the API key has blanks in it", "", "give one line of text");
  if (options.max_jobs && (*options.max_jobs < 1 || *options.max_jobs > 10'000))
    return bad_input("--max-concurrent-jobs:", std::to_string(*options.max_jobs), "give 1 to 10000, or auto");
  if (options.encoder_sessions && (*options.encoder_sessions < 0 || *options.encoder_sessions > 1000))
    return bad_input("--encoder-sessions:", std::to_string(*options.encoder_sessions),
                     "give 0 to 1000, or auto");
  if (options.poll_wait > std::chrono::seconds(60))
    return bad_input("--poll-wait is above a minute", "", "a master parks a poll no longer");
  TRY_OK(check_listen(options.metrics_listen));
  for (const auto& root : options.input_roots) TRY_OK(check_root(root));
  for (const auto& root : options.output_roots) TRY_OK(check_root(root));
  TRY_OK(check_log_words(options.log_level, options.log_format));
  return default_folders(options);
}

Result<std::optional<int64_t>> number_or_auto(const std::string& flag, const std::string& text) {
  if (text == "auto") return std::optional<int64_t>();
  const auto number = parse_i64(text);
  if (!number) return bad_input(flag + ":", "\"" + text + "\"", "give a number, or auto");
  return std::optional(*number);
}

}  // namespace

int64_t slots_of(const Options& options) {
  return options.max_jobs.value_or(std::max<int64_t>(1, std::thread::hardware_concurrency() / 2));
}

Result<Options> read_options(int argc, char** argv) {
  CLI::App app{"Pulls jobs from a master and runs each through ffrtmp; the jobs do not depend on it."};
  app.set_version_flag("--version", "ffrtmp-agent " FFRTMP_VERSION);
  Options given;
  std::string jobs, sessions, poll, config;
  std::vector<std::string> labels;
  bool wrapper = false;
  app.add_option("--master", given.masters, "https://HOST:PORT; several are tried in turn");
  app.add_option("--api-key-file", given.api_key_file, "a worker's API key, for registering");
  app.add_option("--api-key", given.api_key, "the same as an argument (better: the file, or MASTER_API_KEY)");
  app.add_flag("--register", given.register_now, "accepted: it registers by itself when it has no identity");
  app.add_flag("--use-wrapper", wrapper, "accepted: there is no other way");
  app.add_option("--max-concurrent-jobs", jobs, "a number, or auto: one for every two CPUs");
  app.add_option("--encoder-sessions", sessions,
                 "a number, or auto: with a hardware encoder as many as jobs, else none");
  app.add_option("--ca", given.ca_file, "PEM: trust this authority and no other");
  app.add_option("--ca-pin", given.ca_pin, "sha256:HEX, as the master printed it");
  app.add_option("--cert", given.client_cert, "PEM: our certificate, where the master asks for one");
  app.add_option("--key", given.client_key, "PEM: its key");
  app.add_option("--label", labels, "NAME=VALUE, for jobs that ask for it");
  app.add_option("--name", given.name, "the node's name; made up once otherwise");
  app.add_option("--state-dir", given.state_dir, "identity, state, outbox");
  app.add_option("--work-dir", given.work_dir, "a folder a job (STATE_DIR/work)");
  app.add_option("--metrics-listen", given.metrics_listen, "/metrics, /health, /ready; or none");
  app.add_option("--poll-wait", poll, "how long the master may park a poll (30s)");
  app.add_flag("--allow-exec", given.allow_exec, "take jobs of type exec: any command, from the network");
  app.add_flag("--allow-inward-urls", given.allow_inward, "inputs and outputs at loopback and link-local");
  app.add_option("--input-root", given.input_roots, "local inputs lie below one of these");
  app.add_option("--output-root", given.output_roots, "local outputs lie below one of these");
  app.add_option("--log-level", given.log_level, "debug, info, warning, error");
  app.add_option("--log-format", given.log_format, "text or json");
  app.add_option("--config", config, "TOML file; unknown settings are errors");
  app.add_flag("--check", given.check, "read everything, say whether it is right, and stop");
  app.add_flag("--drain", given.drain, "finish what there is, take no more, then leave");
  try {
    app.parse(argc, argv);
  } catch (const CLI::ParseError& error) {
    if (error.get_exit_code() == 0) {
      app.exit(error);
      ::exit(0);
    }
    return bad_input(error.what(), "", "see --help");
  }
  hide_secrets(argc, argv);
  Options out;
  out.config = config;
  if (const char* file = ::getenv("FFRTMP_AGENT_CONFIG"); out.config.empty() && file != nullptr)
    out.config = file;
  TRY_OK(read_options_file(out));
  TRY_OK(read_environment(out));
  const auto take = [&](const char* flag, auto Options::*field) {
    if (!app.get_option(flag)->empty()) out.*field = given.*field;
  };
  take("--master", &Options::masters);
  take("--api-key-file", &Options::api_key_file);
  take("--api-key", &Options::api_key);
  take("--ca", &Options::ca_file);
  take("--ca-pin", &Options::ca_pin);
  take("--cert", &Options::client_cert);
  take("--key", &Options::client_key);
  take("--name", &Options::name);
  take("--state-dir", &Options::state_dir);
  take("--work-dir", &Options::work_dir);
  take("--metrics-listen", &Options::metrics_listen);
  take("--input-root", &Options::input_roots);
  take("--output-root", &Options::output_roots);
  take("--log-level", &Options::log_level);
  take("--log-format", &Options::log_format);
  take("--allow-exec", &Options::allow_exec);
  take("--allow-inward-urls", &Options::allow_inward);
  take("--check", &Options::check);
  take("--drain", &Options::drain);
  // A flag over a file: the key of one source with the file of another would be a riddle.
  if (!app.get_option("--api-key-file")->empty() && app.get_option("--api-key")->empty()) out.api_key.clear();
  if (!jobs.empty()) {
    TRY(out.max_jobs, number_or_auto("--max-concurrent-jobs", jobs));
  }
  if (!sessions.empty()) {
    TRY(out.encoder_sessions, number_or_auto("--encoder-sessions", sessions));
  }
  if (!poll.empty()) {
    const auto wait = parse_duration(poll);
    if (!wait) return bad_input("--poll-wait: " + wait.error().step, wait.error().object, wait.error().hint);
    out.poll_wait = *wait;
  }
  for (const auto& text : labels) {
    TRY(auto label, label_of(text));
    std::erase_if(out.labels, [&](const auto& other) { return other.first == label.first; });
    out.labels.push_back(std::move(label));
  }
  TRY_OK(validate(out));
  return out;
}

Result<Options> reread_options(const Options& now) {
  Options out = now;
  TRY_OK(read_options_file(out));
  TRY_OK(validate(out));
  out.state_dir = now.state_dir;
  out.work_dir = now.work_dir;
  out.metrics_listen = now.metrics_listen;
  out.name = now.name;
  return out;
}

}  // namespace ffrtmp::agent
