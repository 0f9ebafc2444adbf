#pragma once

#include <string>
#include <string_view>
#include <vector>

namespace ffrtmp {

/// Hides what lets a reader of a command line use somebody's stream or account. Never changes the command
/// that runs.
///
/// Hidden: user:password in a URL; the stream key of rtmp/rtmps (all after the application's name), the
/// streamid and passphrase of srt; query values whose names speak of secrets (key, token, signature, …); the
/// values of FFmpeg options and environment-style assignments with such names, HTTP Authorization headers.
std::string redact(std::string_view argument);
std::vector<std::string> redact(const std::vector<std::string>& argv);
/// Redacts every URL and assignment inside free text (a log line).
std::string redact_text(std::string_view text);

}  // namespace ffrtmp
