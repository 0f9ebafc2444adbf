#include "agent/log.h"

#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <atomic>
#include <cstdlib>
#include <cstring>

#include "sys/clock.h"
#include "sys/fd.h"
#include "sys/file.h"
#include "sys/json.h"
#include "sys/redact.h"
#include "sys/text.h"

namespace ffrtmp::agent {

namespace {

std::atomic<Level> g_least = Level::info;
std::atomic<bool> g_json = false;
constexpr const char* kNames[] = {"debug", "info", "warning", "error"};
constexpr const char* kPriorities[] = {"7", "6", "4", "3"};
constexpr char kJournal[] = "/run/systemd/journal/socket";

/// The journal's native protocol (systemd.io/JOURNAL_NATIVE_PROTOCOL): NAME=value lines in a datagram. Our
/// values are one line each.
bool to_journal(Level level, std::string_view message, const Fields& fields) {
  static const Fd fd = [] {
    if (!::getenv("JOURNAL_STREAM")) return Fd();
    return Fd(::socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0));
  }();
  if (!fd) return false;
  std::string text = "PRIORITY=" + std::string(kPriorities[static_cast<size_t>(level)]) +
                     "\nSYSLOG_IDENTIFIER=ffrtmp-agent\nMESSAGE=" + printable(message);
  std::string more;
  for (const auto& [key, value] : fields) {
    const std::string shown = printable(redact_text(value));
    text += " " + key + "=" + shown;
    std::string name = "FFRTMP_" + key;
    for (char& c : name) c = c >= 'a' && c <= 'z' ? static_cast<char>(c - 32) : c;
    more += name + "=" + shown + "\n";
  }
  text += "\n" + more;
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  std::memcpy(address.sun_path, kJournal, sizeof kJournal);
  return ::sendto(fd.get(), text.data(), text.size(), MSG_NOSIGNAL,
                  reinterpret_cast<const sockaddr*>(&address), sizeof address) >= 0;
}

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

void log(Level level, std::string_view message, const Fields& fields) {
  if (level < g_least) return;
  const char* name = kNames[static_cast<size_t>(level)];
  std::string line;
  if (g_json) {
    Json out = {{"time", rfc3339(wall_now())}, {"level", name}, {"message", message}};
    for (const auto& [key, value] : fields) out[key] = redact_text(value);
    line = dump_json(out);
  } else {
    if (to_journal(level, message, fields)) return;
    line = rfc3339(wall_now()) + " " + name + " " + printable(message);
    for (const auto& [key, value] : fields) {
      const std::string text = printable(redact_text(value));
      const bool plain = text.find_first_of(" \"=") == std::string::npos;
      line += " " + key + "=" + (plain ? text : dump_json(Json(text)));
    }
  }
  (void)write_all(STDERR_FILENO, line + "\n");
}

}  // namespace ffrtmp::agent
