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

std::string service_state_folder(const std::string& name) {
  if (const char* given = ::getenv("STATE_DIRECTORY")) return given;
  if (::geteuid() == 0) return "/var/lib/" + name;
  const char* home = ::getenv("HOME");
  return home ? std::string(home) + "/.local/state/" + name : "";
}

}  // namespace ffrtmp
