#include "fleet.h"

#include <signal.h>
#include <unistd.h>

#include "sys/sibling.h"

namespace ffrtmp {

const std::vector<std::string>& fleet_verbs() {
  static const std::vector<std::string> kVerbs = {"jobs", "nodes", "keys", "config", "master"};
  return kVerbs;
}

Result<int> fleet_verb(const std::vector<std::string>& words) {
  TRY(const std::string program, sibling("ffrtmp-fleet", "talks to a master"));
  std::vector<char*> argv{const_cast<char*>("ffrtmp")};
  for (const std::string& word : words) argv.push_back(const_cast<char*>(word.c_str()));
  argv.push_back(nullptr);
  ::signal(SIGPIPE, SIG_DFL);
  ::execv(program.c_str(), argv.data());
  return sys_error("starting", program);
}

}  // namespace ffrtmp
