#pragma once

#include <optional>
#include <string>
#include <string_view>

#include "jobs/media.h"
#include "sys/result.h"

namespace ffrtmp {

/// The last line of GStreamer's element progressreport: "progressreport0 (00:00:05): 5 / 30 seconds (16.7
/// %)".
std::optional<MediaProgress> parse_gst_progress(std::string_view told);

/// A line pattern of a type: text in which {percent}, {seconds}, {frames}, {fps} and {speed} stand for
/// numbers and
/// {*} for anything, such as "step {*}: {percent}% at {fps} fps". Blanks match any run of blanks.
Status check_line_pattern(const std::string& pattern);
struct LineProgress {
  std::optional<double> percent, seconds, frames, fps, speed;
};
/// The last line of a text that the pattern is found in. Linear in the text; never throws.
std::optional<LineProgress> match_last_line(const std::string& pattern, std::string_view told);

/// What `ffmpeg -progress` would have written, for readers that know only that.
std::string as_ffmpeg_progress(const MediaProgress& progress);

/// The text as a value in a gst-launch pipeline: in double quotes, as gst_parse_launch(3) reads them.
std::string gst_quote(std::string_view text);
/// The text as a value inside FFmpeg's filter graph: nothing in it ends the value, the filter or the graph.
std::string filter_quote(std::string_view text);

}  // namespace ffrtmp
