#include "agent/log.h"

#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <cstdlib>
#include <cstring>

#include "sys/clock.h"
#include "sys/fd.h"
#include "sys/file.h"
#include "sys/redact.h"
#include "sys/text.h"

namespace ffrtmp::agent {

namespace {

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

void log(Level level, std::string_view message, const Fields& fields) {
  if (!logged(level)) return;
  if (!log_as_json() && to_journal(level, message, fields)) return;
  const std::string line = log_as_json() ? log_json(level, message, fields)
                                         : rfc3339(wall_now()) + " " + log_text(level, message, fields);
  (void)write_all(STDERR_FILENO, line + "\n");
}

}  // namespace ffrtmp::agent
