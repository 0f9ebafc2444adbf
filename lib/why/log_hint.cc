#include <algorithm>

#include "why/ended.h"

namespace ffrtmp {

namespace {

struct Known {
  const char* part;  ///< of a line
  const char* name;
  const char* text;
};

/// strerror(3)'s texts, which FFmpeg and GStreamer pass on, and messages of their own (FFmpeg 5.1 to 7.1,
/// GStreamer 1.22). The more telling ones first: "Invalid data" follows many an error.
constexpr Known kKnown[] = {
    {"No space left on device", "disk full", "ran out of space on a disk"},
    {"Disk quota exceeded", "disk full", "ran into a disk quota"},
    {"Read-only file system", "permissions", "was to write on a file system that is mounted read-only"},
    {"Cannot allocate memory", "memory", "was refused memory (an address space limit, or the host's)"},
    {"Resource temporarily unavailable", "processes",
     "was refused a thread or a process (pids.max or RLIMIT_NPROC), or timed out reading"},
    {"Too many open files", "descriptors", "ran out of file descriptors (ulimit -n)"},
    {"Connection refused", "network", "found nobody listening at the other end of a connection"},
    {"Connection timed out", "network", "got no answer from the other end of a connection"},
    {"Connection reset by peer", "network", "was cut off by the other end of a connection"},
    {"Broken pipe", "network",
     "lost the reader of what it wrote: the other end closed the connection or pipe"},
    {"Network is unreachable", "network", "had no route to the other end"},
    {"No route to host", "network", "had no route to the other end"},
    {"Temporary failure in name resolution", "network", "could not resolve a host name"},
    {"Failed to resolve hostname", "network", "could not resolve a host name"},
    {"Name or service not known", "network", "was given a host name that does not exist"},
    {"Input/output error", "input or output", "could not read or write a device or a connection"},
    {"Server returned 4", "network", "was refused by an HTTP server"},
    {"Server returned 5", "network", "got an error of an HTTP server"},
    {"401 Unauthorized", "network", "was refused for want of a right name or password"},
    {"Permission denied", "permissions", "may not open a file or a device"},
    {"Unknown encoder", "options", "was asked for an encoder that this FFmpeg does not have"},
    {"Unrecognized option", "options", "was given an option that it does not know"},
    {"Option not found", "options", "was given an option that it does not know"},
    {"no element", "options", "was asked for a GStreamer element that is not installed"},
    {"No such file or directory", "missing file", "did not find a file that it was given"},
    {"moov atom not found", "broken input", "was given an MP4 that is cut off or still being written"},
    {"Invalid data found", "broken input", "found no media that it understands in its input"},
    {"not-negotiated", "options", "was given elements that do not fit together"},
};

}  // namespace

std::optional<LogHint> hint_of(const std::vector<std::string>& log_tail) {
  for (const auto& known : kKnown)
    if (std::ranges::any_of(log_tail, [&](const std::string& line) { return line.contains(known.part); }))
      return LogHint{known.name, known.text};
  return std::nullopt;
}

}  // namespace ffrtmp
