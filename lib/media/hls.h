#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "sys/result.h"

namespace ffrtmp {

/// What an HLS playlist says (RFC 8216), as far as a ladder's soundness needs it.
struct HlsSegment {
  double duration_s = 0;
  std::string uri;
};
struct HlsRendition {
  std::string uri;
  int64_t bandwidth = 0, width = 0, height = 0;
};
struct HlsPlaylist {
  bool master = false, ended = false;
  double target_s = 0;
  std::vector<HlsSegment> segments;
  std::vector<HlsRendition> renditions;
  std::string init_uri, key_method, key_uri;
  double duration_s() const;
};
/// Errors name the line.
Result<HlsPlaylist> parse_hls(std::string_view text);

/// One cue of a WebVTT file: when, and what (the first line of its text).
struct VttCue {
  double begin_s = 0, end_s = 0;
  std::string text;
};
/// Errors: no header, a cue without a time, an end before its begin.
Result<std::vector<VttCue>> parse_webvtt(std::string_view text);
std::string format_webvtt(const std::vector<VttCue>& cues);

}  // namespace ffrtmp
