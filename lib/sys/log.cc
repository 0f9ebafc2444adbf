#include "sys/log.h"

#include <algorithm>
#include <atomic>

#include "sys/clock.h"
#include "sys/json.h"
#include "sys/redact.h"
#include "sys/text.h"

namespace ffrtmp {

namespace {
std::atomic<Level> g_least = Level::info;
std::atomic<bool> g_json = false;
constexpr const char* kNames[] = {"debug", "info", "warning", "error"};

const char* name_of(Level level) { return kNames[static_cast<size_t>(level)]; }
}  // namespace

void set_log(Level least, bool json) {
  g_least = least;
  g_json = json;
}

Status check_log_words(const std::string& level, const std::string& format) {
  const std::vector<std::string> levels(std::begin(kNames), std::end(kNames));
  if (std::ranges::find(levels, level) == levels.end())
    return bad_input("not a log level:", level, "give " + join(levels, ", "));
  if (format != "text" && format != "json")
    return bad_input("not a log format:", format, "give text or json");
  return {};
}

Level level_of(const std::string& name) {
  const auto* found = std::ranges::find(kNames, name);
  return found == std::end(kNames) ? Level::info : static_cast<Level>(found - kNames);
}

bool logged(Level level) { return level >= g_least; }
bool log_as_json() { return g_json; }

std::string log_json(Level level, std::string_view message, const Fields& fields) {
  Json out = {{"time", rfc3339(wall_now())}, {"level", name_of(level)}, {"message", message}};
  for (const auto& [key, value] : fields) out[key] = redact_text(value);
  return dump_json(out);
}

std::string log_text(Level level, std::string_view message, const Fields& fields) {
  std::string out = std::string(name_of(level)) + " " + printable(message);
  for (const auto& [key, value] : fields) {
    const std::string text = printable(redact_text(value));
    const bool plain = text.find_first_of(" \"=") == std::string::npos;
    out += " " + key + "=" + (plain ? text : dump_json(Json(text)));
  }
  return out;
}

}  // namespace ffrtmp
