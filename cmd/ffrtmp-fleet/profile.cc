#include "profile.h"

#include <cstdlib>

#define TOML_EXCEPTIONS 0
#include <fcntl.h>
#include <toml++/toml.h>

#include "sys/file.h"
#include "sys/text.h"

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
  const std::string config = environment("XDG_CONFIG_HOME");
  const std::string file =
      (config.empty() ? environment("HOME") + "/.config" : config) + "/ffrtmp/config.toml";
  if (exists_at(AT_FDCWD, file)) {
    TRY(const std::string text, read_file(file));
    const toml::parse_result parsed = toml::parse(text, file);
    if (!parsed)
      return bad_input(file + ":" + std::to_string(parsed.error().source().begin.line),
                       std::string(parsed.error().description()));
    for (const auto& [key, node] : parsed.table()) {
      const std::string name(key.str());
      const auto value = node.value<std::string>();
      std::string* at = name == "master"         ? &profile.master
                        : name == "ca"           ? &profile.ca
                        : name == "ca_pin"       ? &profile.ca_pin
                        : name == "api_key_file" ? &profile.api_key_file
                                                 : nullptr;
      if (at == nullptr || !value)
        return bad_input(file + ":" + std::to_string(node.source().begin.line) + " " + name,
                         at == nullptr ? "is not known" : "must be a string",
                         "known: master, ca, ca_pin, api_key_file");
      // A key in the environment stands above the file that the profile names.
      if (at != &profile.api_key_file || profile.api_key.empty()) fill(*at, *value);
    }
  }
  fill(profile.master, "https://localhost:8443");
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
