#pragma once

#include <CLI/CLI.hpp>

#include "profile.h"

namespace ffrtmp::fleet {

/// Each adds its verbs to the parser; the chosen one leaves its exit code in `code`.
void add_jobs(CLI::App& app, Profile& profile, int& code);
void add_nodes(CLI::App& app, Profile& profile, int& code);
void add_keys(CLI::App& app, Profile& profile, int& code);
void add_master(CLI::App& app, Profile& profile, int& code);

/// Prints an error in one line and gives the exit code for it.
int complain(const Error& error);
/// Runs `act` with a connection.
template <class Act>
int with_master(Profile& profile, Act act) {
  if (const Status ready = complete(profile); !ready) {
    complain(ready.error());
    return kUsage;
  }
  auto http = connect(profile);
  if (!http) return complain(http.error());
  const Result<int> done = act(**http);
  return done ? *done : complain(done.error());
}

}  // namespace ffrtmp::fleet
