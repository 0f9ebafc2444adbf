#include "log.h"

#include <unistd.h>

#include <cstdlib>

#include "sys/clock.h"
#include "sys/file.h"

namespace ffrtmp::master {

void log(Level level, std::string_view message, const Fields& fields) {
  if (!logged(level)) return;
  constexpr const char* kPriorities[] = {"<7>", "<6>", "<4>", "<3>"};
  static const bool journal = ::getenv("JOURNAL_STREAM") != nullptr;
  std::string line = journal ? kPriorities[static_cast<size_t>(level)] : "";
  if (log_as_json())
    line += log_json(level, message, fields);
  else
    line += (journal ? "" : rfc3339(wall_now()) + " ") + log_text(level, message, fields);
  (void)write_all(STDERR_FILENO, line + "\n");
}

}  // namespace ffrtmp::master
