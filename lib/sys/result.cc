#include "sys/result.h"

#include <cstring>

#include "sys/text.h"

namespace ffrtmp {

std::string Error::message() const {
  std::string out = step;
  if (!object.empty()) out += " " + object;
  if (errnum != 0) out += std::string(": ") + strerrordesc_np(errnum);
  if (!hint.empty()) out += "; " + hint;
  return printable(out);
}

}  // namespace ffrtmp
