#pragma once

#include <string>
#include <vector>

#include "options.h"

namespace ffrtmp::master {

/// One setting: where its value goes, and what it may be. Exactly one of the pointers is set. Its name in the
/// file is "section.name"; the environment's is FFRTMP_MASTER_ and that in capitals, with '_' for '.'.
struct Setting {
  std::string section, name;
  std::string* text = nullptr;
  int64_t* number = nullptr;
  int64_t least = 0, most = 0;  ///< of a number
  bool* flag = nullptr;
  int64_t* duration_ms = nullptr;
  std::vector<std::string>* list = nullptr;

  std::string path() const { return section.empty() ? name : section + "." + name; }
};
/// Every setting but the tenants, pointing into `options`.
std::vector<Setting> settings(Options& options);
/// Sets it from text. `where` begins the error.
Status set(const Setting& setting, const std::string& where, const std::string& value);

/// Reads `options.config` (TOML) into `options`; nothing when it is empty. Errors name file, line and column.
Status read_config_file(Options& options);

}  // namespace ffrtmp::master
