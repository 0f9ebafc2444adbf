#include "log.h"

#include <unistd.h>

#include <atomic>
#include <cstdlib>

#include "sys/clock.h"
#include "sys/file.h"
#include "sys/json.h"
#include "sys/redact.h"
#include "sys/text.h"

namespace ffrtmp::master {

namespace {
std::atomic<Level> g_least = Level::info;
std::atomic<bool> g_json = false;
constexpr const char* kNames[] = {"debug", "info", "warning", "error"};
constexpr const char* kPriorities[] = {"<7>", "<6>", "<4>", "<3>"};
}  // namespace

void set_log(Level least, bool json) {
  g_least = least;
  g_json = json;
}

Level level_of(const std::string& name) {
  return name == "debug"     ? Level::debug
         : name == "warning" ? Level::warning
         : name == "error"   ? Level::error
                             : Level::info;
}

bool logged(Level level) { return level >= g_least; }

void log(Level level, std::string_view message, const Fields& fields) {
  if (!logged(level)) return;
  static const bool journal = ::getenv("JOURNAL_STREAM") != nullptr;
  const auto at = static_cast<size_t>(level);
  std::string line = journal ? kPriorities[at] : "";
  if (g_json) {
    Json out;
    out["time"] = rfc3339(wall_now());
    out["level"] = kNames[at];
    out["message"] = message;
    for (const auto& [key, value] : fields) out[key] = redact_text(value);
    line += dump_json(out);
  } else {
    if (!journal) line += rfc3339(wall_now()) + " ";
    line += std::string(kNames[at]) + " " + printable(message);
    for (const auto& [key, value] : fields) {
      const std::string text = printable(redact_text(value));
      line += std::string(" ") + key + "=" +
              (text.find_first_of(" \"=") == std::string::npos ? text : dump_json(Json(text)));
    }
  }
  line += "\n";
  (void)write_all(STDERR_FILENO, line);
}

}  // namespace ffrtmp::master
