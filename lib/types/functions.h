#pragma once

#include <string_view>
#include <vector>

#include "types/expr.h"

namespace ffrtmp {

/// A function that templates may call. Pure: no function looks at the host.
struct Function {
  const char* name;
  size_t least, most;
  const char* usage;  ///< for errors and the documentation
  Result<Json> (*call)(const std::vector<Json>& arguments, const Scope& scope);
};
const std::vector<Function>& functions();
const Function* function_named(std::string_view name);

/// A whole number where the value is one.
Json plain_number(double value);

}  // namespace ffrtmp
