#include "profile.h"

#include <fcntl.h>

#include <cstdlib>

#include "client/master_url.h"
#include "sys/file.h"
#include "sys/text.h"
#include "sys/toml_reader.h"

namespace ffrtmp::fleet {

namespace {
std::string environment(const char* name) {
  const char* value = ::getenv(name);
  return value == nullptr ? "" : value;
}
}  // namespace

Status complete(Profile& profile) {
  const auto fill = [](std::string& at, const std::string& value) {
    if (at.empty()) at = value;
  };
  fill(profile.master, environment("MASTER_URL"));
  if (profile.api_key_file.empty()) fill(profile.api_key, environment("MASTER_API_KEY"));
  fill(profile.ca, environment("MASTER_CA"));
  fill(profile.ca_pin, environment("MASTER_CA_PIN"));
  const std::string config = environment("XDG_CONFIG_HOME");
  const std::string file =
      (config.empty() ? environment("HOME") + "/.config" : config) + "/ffrtmp/config.toml";
  if (exists_at(AT_FDCWD, file)) {
    TRY(const std::string text, read_file(file));
    TRY(const toml::table table, parse_toml(text, file));
    TomlReader in(table, file, "");
    TRY(const std::string master, in.text("master"));
    TRY(const std::string ca, in.text("ca"));
    TRY(const std::string ca_pin, in.text("ca_pin"));
    TRY(const std::string key_file, in.text("api_key_file"));
    TRY_OK(in.done());
    fill(profile.master, master);
    fill(profile.ca, ca);
    fill(profile.ca_pin, ca_pin);
    // A key in the environment stands above the file that the profile names.
    if (profile.api_key.empty()) fill(profile.api_key_file, key_file);
  }
  fill(profile.master, "https://localhost:8443");
  TRY_OK(client::check_master_url(profile.master));
  if (!profile.api_key_file.empty()) {
    TRY(const std::string key, read_file(profile.api_key_file));
    profile.api_key = trim(key);
  }
  return {};
}

Result<std::unique_ptr<client::HttpClient>> connect(const Profile& profile) {
  client::ClientOptions options;
  options.base = profile.master;
  options.ca_file = profile.ca;
  options.ca_pin = profile.ca_pin;
  options.bearer = profile.api_key;
  options.timeout_s = profile.timeout_s;
  return client::HttpClient::open(options);
}

}  // namespace ffrtmp::fleet
