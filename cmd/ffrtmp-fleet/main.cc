#include <iostream>

#include "verbs.h"

namespace ffrtmp::fleet {
int complain(const Error& error) {
  std::cerr << "ffrtmp: " << error.message() << "\n";
  return kFailed;
}
}  // namespace ffrtmp::fleet

int main(int argc, char** argv) {
  using namespace ffrtmp::fleet;
  CLI::App app{"Commands for a fleet: jobs for a master, and its nodes.", "ffrtmp"};
  app.set_version_flag("--version", FFRTMP_VERSION);
  app.require_subcommand(1);
  app.fallthrough();
  Profile profile;
  app.add_option("--master", profile.master, "https://HOST:PORT (MASTER_URL)");
  app.add_option("--ca", profile.ca, "the master's CA file (MASTER_CA)");
  app.add_option("--ca-pin", profile.ca_pin, "sha256:… as the master printed it");
  app.add_option("--api-key-file", profile.api_key_file, "file with the key (or MASTER_API_KEY)");
  app.add_option("--timeout", profile.timeout_s, "seconds for one request")->check(CLI::Range(0.1, 86400.0));
  app.add_flag("--json", profile.json, "JSON instead of tables");
  int code = kUsage;
  add_jobs(app, profile, code);
  add_nodes(app, profile, code);
  add_keys(app, profile, code);
  add_master(app, profile, code);
  try {
    app.parse(argc, argv);
  } catch (const CLI::ParseError& error) {
    return app.exit(error) == 0 ? kOk : kUsage;
  }
  return code;
}
