#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "watch/rules.h"

namespace ffrtmp {

/// Whether the whole text is as the pattern says: `*` stands for any number of characters ('/' too), `?` for
/// one, all else for itself.
bool glob_matches(std::string_view pattern, std::string_view text);

/// The file name of what /proc/PID/exe shows: without its folders, and without " (deleted)".
std::string executable_name(const std::string& link);

/// What rules look at of a process.
struct Candidate {
  pid_t pid = 0;
  uint64_t start_ticks = 0;
  std::string
      executable;  ///< file name of its executable; argv[0] and the thread's name are anybody's to set
  uid_t uid = 0;
  std::vector<std::string> above;  ///< names of the processes above it: of their executables, and comm
  std::vector<std::string> cgroups;
  std::string directory;
  std::string command;
  Duration age{};
  bool container = false;
};

/// Whether there is a rule for such an executable: what is worth a closer look.
bool wanted(const std::vector<WatchRule>& rules, std::string_view executable);

/// The first rule that is met by all but the age of the process; nullptr when there is none. Pure.
const WatchRule* match(const std::vector<WatchRule>& rules, const Candidate& candidate);

}  // namespace ffrtmp
