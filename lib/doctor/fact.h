#pragma once

#include <string>
#include <vector>

#include "sys/json.h"

namespace ffrtmp {

/// Whether something is as it should be: ✓, ! (works, with less) or ✗ (does not work).
enum class Health { good, lesser, bad };
std::string_view health_name(Health health);

/// One line of the doctor's.
struct Fact {
  std::string subject;  ///< a word or two: "delegation"
  Health health = Health::good;
  std::string text;               ///< what is so, and what follows from it
  std::vector<std::string> mend;  ///< the exact commands, a line each; empty where there is nothing to mend
};

Json to_json(const Fact& fact);

}  // namespace ffrtmp
