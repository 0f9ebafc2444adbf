#include "sys/environment.h"

#include <unistd.h>

#include <cstdlib>

namespace ffrtmp {

std::vector<std::string> own_environment() {
  std::vector<std::string> out;
  for (char** variable = environ; *variable; variable++) out.emplace_back(*variable);
  return out;
}

std::string take_variable(const char* name) {
  const char* value = ::getenv(name);
  std::string out = value ? value : "";
  ::unsetenv(name);
  return out;
}

}  // namespace ffrtmp
