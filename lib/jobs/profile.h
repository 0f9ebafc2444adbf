#pragma once

#include <string>
#include <vector>

#include "cgroup/limit.h"
#include "sys/result.h"

namespace ffrtmp {

/// A coherent set of limits under one name.
struct Profile {
  std::string name;
  std::string summary;
  std::string source;  ///< "built in", or the file it came from
  std::vector<Limit> limits;
};

/// live, vod, batch and none, as they come with ffrtmp.
std::vector<Profile> builtin_profiles();
/// All profiles: the built-in ones, then *.toml of /etc/ffrtmp/profiles and $HOME/.config/ffrtmp/profiles,
/// where a later one replaces an earlier one of its name. Errors name the file, the key and what would do.
Result<std::vector<Profile>> load_profiles();
Result<Profile> find_profile(const std::string& name);

/// One profile from TOML: `summary`, and a table [limits] with the flags of `ffrtmp run` as keys. Strict.
Result<Profile> parse_profile(const std::string& name, const std::string& toml, const std::string& source);

}  // namespace ffrtmp
