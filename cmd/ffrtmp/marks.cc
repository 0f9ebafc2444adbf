#include "marks.h"

#include <strings.h>

#include <cstdlib>
#include <cstring>
#include <initializer_list>

namespace ffrtmp {

const Marks& marks() {
  static constexpr Marks kSigns = {"✓", "!", "✗", "–"}, kLetters = {"[ok]", "[!]", "[x]", "[-]"};
  for (const char* name : {"LC_ALL", "LC_CTYPE", "LANG"}) {
    const char* value = ::getenv(name);
    if (!value || !*value) continue;  // an empty one is as if it were not set
    return ::strcasestr(value, "utf-8") || ::strcasestr(value, "utf8") ? kSigns : kLetters;
  }
  return kLetters;
}

}  // namespace ffrtmp
