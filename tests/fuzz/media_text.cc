#include <cmath>

#include "fuzz.h"
#include "media/hls.h"
#include "media/image_header.h"
#include "media/info.h"
#include "media/location.h"
#include "media/progress.h"
#include "sys/text.h"

using namespace ffrtmp;

/// What programs print and files say: progress lines, ffprobe's JSON, playlists, cues, picture headers.
extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  const std::string text(fuzz::text(data, size));
  if (const auto progress = parse_gst_progress(text))
    MUST(progress->out_time_s && std::isfinite(*progress->out_time_s));
  const size_t cut = text.find('\n');
  const std::string pattern = text.substr(0, cut),
                    told = cut == std::string::npos ? "" : text.substr(cut + 1);
  const auto sound = check_line_pattern(pattern);
  if (!sound) fuzz::check(sound.error());
  if (const auto found = match_last_line(pattern, told)) {
    MUST(sound.has_value());
    for (const auto& value : {found->percent, found->seconds, found->frames, found->fps, found->speed})
      if (value) MUST(std::isfinite(*value) && *value >= 0);
  }
  const auto probed = parse_ffprobe(text, "fuzzed");
  if (const auto* info = fuzz::value(probed)) {
    MUST(!dump_json(to_json(*info)).empty());
    for (const auto& stream : info->streams)
      MUST(stream.rotation >= 0 && stream.rotation < 360 && stream.rotation % 90 == 0);
  }
  const auto list = parse_hls(text);
  if (fuzz::value(list)) {
    MUST(std::isfinite(list->duration_s()) && list->duration_s() >= 0);
    MUST(looks_like_playlist(text) || trim(text).starts_with("#EXTM3U"));
  }
  const auto cues = parse_webvtt(text);
  if (fuzz::value(cues)) {
    for (const auto& cue : *cues) MUST(cue.end_s > cue.begin_s);
    const auto again = parse_webvtt(format_webvtt({{1, 2, "x"}}));
    MUST(again && again->size() == 1);
  }
  if (const auto header = read_image_header(text))
    MUST(header->width > 0 && header->height > 0 && !header->format.empty());
  (void)scheme_of(text);
  MUST(ffmpeg_location(text).find("://") != std::string::npos || ffmpeg_location(text).starts_with("file:"));
  MUST(gst_quote(text).size() >= text.size() + 2);
  MUST(filter_quote(text).size() >= text.size());
  return 0;
}
