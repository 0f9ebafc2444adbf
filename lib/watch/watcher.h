#pragma once

#include <functional>
#include <string>

#include "jobs/vigil.h"
#include "watch/rules.h"

namespace ffrtmp {

struct WatchRequest {
  std::function<Result<WatchConfig>()> load;  ///< the rules, at the start and after SIGHUP
  bool dry_run = false;                       ///< says what would be adopted, and adopts nothing
  bool once = false;                          ///< looks once at what runs, and leaves
};

/// Where the watcher says what it does; one line at a time, without a newline.
struct WatchOutput {
  std::function<void(const std::string&)> log;    ///< for an operator who reads it later
  std::function<void(const std::string&)> found;  ///< the result: jobs adopted, or what would be
  OnSettled settled;
};

/// Adopts what runs and what starts, as the rules say, and waits for the ends of what it adopted. Wakes up
/// for nothing but: a program that starts (proc connector; without it, the scan interval), a process that
/// becomes old enough, an end, a signal, and systemd's watchdog where there is one. One process that cannot
/// be adopted is told once and left alone. SIGHUP loads the rules anew; any other signal lets go of the jobs,
/// which keep their limits, and the next watcher takes them up again. Returns 0. Errors: no rules, no state
/// folder, another watcher with the same one.
Result<int> watch(const Host& host, const JobStore& store, const WatchRequest& request,
                  const WatchOutput& output);

}  // namespace ffrtmp
