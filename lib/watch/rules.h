#pragma once

#include <sys/types.h>

#include <optional>
#include <set>
#include <string>
#include <vector>

#include "cgroup/limit.h"
#include "cgroup/placement.h"
#include "sys/result.h"
#include "sys/units.h"

namespace ffrtmp {

/// Which processes come under which limits. Every list that is not empty has to be met, by one of its
/// entries; patterns are globs (see glob_matches).
struct WatchRule {
  std::string name;
  std::vector<std::string> targets;      ///< of the executable's file name; never empty
  std::vector<std::string> users;        ///< as they were given
  std::set<uid_t> uids;                  ///< the same, as numbers
  std::vector<std::string> parents;      ///< of a name of some process above it
  std::vector<std::string> cgroups;      ///< of the path of a cgroup in which it stands
  std::vector<std::string> directories;  ///< its working directory is one of these, or below
  std::vector<std::string> commands;     ///< of the command line, joined with blanks
  Duration min_age{};                    ///< since its start
  bool containers = false;               ///< also those in containers
  bool leave_alone = false;              ///< nothing is done to them: an exception to the rules below it
  std::string profile;                   ///< "" for none; its limits are among `limits`
  std::vector<Limit> limits;
  std::set<LimitKind> required;  ///< it is not adopted unless these are enforced
  PlacementRequest placement;    ///< by flags only
};

/// Rules in the order in which they are tried; the first that matches has the process.
struct WatchConfig {
  std::optional<Duration> scan_interval;
  std::vector<WatchRule> rules;
};

/// A rule file; see docs/WATCH.md. Strict: what is not known is an error with a suggestion, and every error
/// says where ("SOURCE:LINE:COLUMN: what; hint"). Looks up users and profiles.
Result<WatchConfig> parse_watch(const std::string& text, const std::string& source);
Result<WatchConfig> load_watch(const std::string& path);

/// The numbers of users that were given by name or number.
Result<std::set<uid_t>> uids_of(const std::vector<std::string>& users);

/// One line: "rule live: ffmpeg, gst-*; profile live, cpu.max 150%".
std::string describe(const WatchRule& rule);
/// The limits alone: "cpu.max 150%, memory.max 2G", or "no limits".
std::string limits_text(const WatchRule& rule);

}  // namespace ffrtmp
