#pragma once

#include <optional>
#include <string>
#include <string_view>

#include "sys/json.h"

namespace ffrtmp {

/// What `ffmpeg -progress` last told. Source: print_report() in fftools; a block ends with a "progress="
/// line.
struct MediaProgress {
  std::optional<uint64_t> frames, dropped, duplicated, total_bytes;
  std::optional<double> fps, speed, out_time_s, bitrate_bps;
  bool finished = false;  ///< "progress=end"
};
/// The last whole block of a progress text; nullopt when there is none. Never throws.
std::optional<MediaProgress> parse_progress(std::string_view text);
/// The same from the end of a progress file (whose old part may be a hole).
std::optional<MediaProgress> read_progress(const std::string& path);
Json to_json(const MediaProgress& progress);

/// `ffmpeg` with options that make it tell its progress to a file: right after the program's name.
std::vector<std::string> with_progress(const std::vector<std::string>& argv, const std::string& path);

}  // namespace ffrtmp
