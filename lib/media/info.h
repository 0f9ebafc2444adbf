#pragma once

#include <optional>
#include <string>
#include <vector>

#include "sys/json.h"
#include "sys/result.h"

namespace ffrtmp {

/// One stream of a media file as ffprobe tells it. Absent figures are nullopt, never zero.
struct MediaStream {
  std::string kind;  ///< video, audio, subtitle, data
  std::string codec, profile, pix_fmt, layout, language;
  std::string color_space, color_transfer, color_primaries, color_range;
  std::string fps_text;  ///< "30000/1001"
  int64_t index = 0;
  std::optional<int64_t> width, height, sample_rate, channels, bit_rate, frames, bits;
  std::optional<double> fps, duration_s, start_s;
  int rotation = 0;    ///< degrees clockwise that a player turns the picture: 0, 90, 180, 270
  bool cover = false;  ///< an attached picture, not a film

  /// Width and height as a viewer sees them, rotation applied.
  int64_t shown_width() const { return (rotation % 180 ? height : width).value_or(0); }
  int64_t shown_height() const { return (rotation % 180 ? width : height).value_or(0); }
};

/// What a media file is.
struct MediaInfo {
  std::string format;  ///< FFmpeg's name of the demuxer, such as "mov,mp4,m4a,3gp,3g2,mj2"
  std::optional<double> duration_s, start_s;
  std::optional<int64_t> bytes, bit_rate;
  std::vector<MediaStream> streams;

  /// The first of a kind that is not a cover; nullptr when there is none.
  const MediaStream* first(std::string_view kind) const;
  size_t count(std::string_view kind) const;
  /// A single picture rather than a film.
  bool is_image() const;
};

/// The normalised form: what the job type `probe` prints and templates see as ${input}.
Json to_json(const MediaInfo& info);
/// One line's worth of it, for a manifest.
Json summary_of(const MediaInfo& info);

/// From what `ffprobe -of json -show_format -show_streams` printed. Strict about structure, lenient about
/// what is missing.
Result<MediaInfo> parse_ffprobe(const std::string& text, const std::string& what);

/// Which protocols FFmpeg may use to read something: everything else is refused by FFmpeg itself, whatever a
/// playlist inside says.
std::vector<std::string> whitelist_args(const std::string& location);

/// Asks ffprobe. `location` is a path or URL as ffmpeg_location() gives it. The error is one line that says
/// what is wrong with the input.
Result<MediaInfo> probe_media(const std::string& location, const std::string& shown);

}  // namespace ffrtmp
