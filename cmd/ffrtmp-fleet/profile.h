#pragma once

#include <string>

#include "client/http_client.h"

namespace ffrtmp::fleet {

/// Exit codes, the same in every verb (docs/API.md).
constexpr int kOk = 0, kFailed = 1, kUsage = 2, kJobFailed = 3;

/// Where the master is and how to talk to it. Command line over environment (MASTER_URL, MASTER_API_KEY,
/// MASTER_CA, MASTER_CA_PIN) over the profile file (~/.config/ffrtmp/config.toml: master, ca, ca_pin,
/// api_key_file).
struct Profile {
  std::string master, ca, ca_pin, api_key_file, api_key;
  double timeout_s = 30;
  bool json = false;
};
/// Fills what the command line left empty; reads the key. Unknown settings in the file are errors.
Status complete(Profile& profile);
Result<std::unique_ptr<client::HttpClient>> connect(const Profile& profile);

}  // namespace ffrtmp::fleet
