#include "sys/sibling.h"

#include <unistd.h>

#include "sys/file.h"

namespace ffrtmp {

Result<std::string> sibling(const std::string& name, const std::string& purpose) {
  TRY(std::string folder, own_program());
  folder.erase(folder.rfind('/'));
  for (const std::string& candidate : {folder + "/" + name, folder + "/../libexec/ffrtmp/" + name})
    if (::access(candidate.c_str(), X_OK) == 0) return candidate;
  return bad_input("the program that " + purpose + " is missing:", folder + "/" + name,
                   "install it beside ffrtmp");
}

}  // namespace ffrtmp
