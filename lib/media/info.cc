#include "media/info.h"

#include <algorithm>
#include <cmath>
#include <cstdlib>

#include "media/location.h"
#include "proc/capture.h"
#include "sys/text.h"

namespace ffrtmp {

namespace {

/// ffprobe gives most numbers as text; "N/A" and nonsense are absent.
std::optional<double> number_at(const Json& json, const char* key) {
  const Json& value = at_or_null(json, key);
  double out = 0;
  if (value.is_number())
    out = value.get<double>();
  else if (value.is_string()) {
    const std::string text = value.get<std::string>();
    if (text.empty() || text.find_first_not_of("0123456789.-+eE") != std::string::npos) return std::nullopt;
    char* end = nullptr;
    out = std::strtod(text.c_str(), &end);
    if (*end) return std::nullopt;
  } else {
    return std::nullopt;
  }
  if (!std::isfinite(out) || std::fabs(out) > 1e15) return std::nullopt;
  return out;
}
std::optional<int64_t> whole_at(const Json& json, const char* key) {
  const auto value = number_at(json, key);
  return value ? std::optional(static_cast<int64_t>(*value)) : std::nullopt;
}

/// "30000/1001" as a number; nullopt for "0/0".
std::optional<double> ratio(const std::string& text) {
  const size_t slash = text.find('/');
  const auto top = parse_u64(text.substr(0, slash));
  const auto bottom =
      slash == std::string::npos ? std::optional<uint64_t>(1) : parse_u64(text.substr(slash + 1));
  if (!top || !bottom || *top == 0 || *bottom == 0) return std::nullopt;
  return static_cast<double>(*top) / static_cast<double>(*bottom);
}

/// The turn a player makes: from the display matrix (counted anticlockwise there), or the old tag.
int rotation_of(const Json& stream) {
  double turn = 0;
  if (const auto tag = number_at(at_or_null(stream, "tags"), "rotate")) turn = *tag;
  const Json& side = at_or_null(stream, "side_data_list");
  if (side.is_array())
    for (const Json& item : side)
      if (const auto degrees = number_at(item, "rotation")) turn = -*degrees;
  const int whole = static_cast<int>(std::lround(std::fmod(turn, 360.0) / 90.0)) * 90;
  return ((whole % 360) + 360) % 360;
}

MediaStream stream_of(const Json& json) {
  MediaStream out;
  out.kind = text_or(json, "codec_type");
  out.codec = text_or(json, "codec_name");
  out.profile = text_or(json, "profile");
  out.pix_fmt = text_or(json, "pix_fmt");
  out.layout = text_or(json, "channel_layout");
  out.color_space = text_or(json, "color_space");
  out.color_transfer = text_or(json, "color_transfer");
  out.color_primaries = text_or(json, "color_primaries");
  out.color_range = text_or(json, "color_range");
  out.language = text_or(at_or_null(json, "tags"), "language");
  out.index = whole_at(json, "index").value_or(0);
  out.width = whole_at(json, "width");
  out.height = whole_at(json, "height");
  out.sample_rate = whole_at(json, "sample_rate");
  out.channels = whole_at(json, "channels");
  out.bit_rate = whole_at(json, "bit_rate");
  out.frames = whole_at(json, "nb_frames");
  out.bits = whole_at(json, "bits_per_raw_sample");
  out.duration_s = number_at(json, "duration");
  out.start_s = number_at(json, "start_time");
  out.fps_text = text_or(json, "avg_frame_rate");
  out.fps = ratio(out.fps_text);
  if (!out.fps) {
    out.fps_text = text_or(json, "r_frame_rate");
    out.fps = ratio(out.fps_text);
  }
  if (!out.fps) out.fps_text.clear();
  out.rotation = rotation_of(json);
  out.cover = number_at(at_or_null(json, "disposition"), "attached_pic").value_or(0) != 0;
  return out;
}

using ffrtmp::or_null;
Json or_null(const std::string& text) {
  return text.empty() || text == "unknown" ? Json(nullptr) : Json(text);
}

Json to_json(const MediaStream& stream) {
  Json out = {{"index", stream.index},
              {"kind", stream.kind},
              {"codec", or_null(stream.codec)},
              {"profile", or_null(stream.profile)},
              {"duration", or_null(stream.duration_s)},
              {"bit_rate", or_null(stream.bit_rate)},
              {"language", or_null(stream.language)}};
  if (stream.kind == "video") {
    out.update({{"width", or_null(stream.width)},
                {"height", or_null(stream.height)},
                {"shown_width", stream.shown_width()},
                {"shown_height", stream.shown_height()},
                {"rotation", stream.rotation},
                {"fps", or_null(stream.fps)},
                {"fps_ratio", or_null(stream.fps_text)},
                {"frames", or_null(stream.frames)},
                {"pix_fmt", or_null(stream.pix_fmt)},
                {"bits", or_null(stream.bits)},
                {"color_space", or_null(stream.color_space)},
                {"color_transfer", or_null(stream.color_transfer)},
                {"color_primaries", or_null(stream.color_primaries)},
                {"color_range", or_null(stream.color_range)},
                {"cover", stream.cover}});
  } else if (stream.kind == "audio") {
    out.update({{"sample_rate", or_null(stream.sample_rate)},
                {"channels", or_null(stream.channels)},
                {"layout", or_null(stream.layout)}});
  }
  return out;
}

}  // namespace

const MediaStream* MediaInfo::first(std::string_view kind) const {
  for (const auto& stream : streams)
    if (stream.kind == kind && !stream.cover) return &stream;
  return nullptr;
}
size_t MediaInfo::count(std::string_view kind) const {
  return static_cast<size_t>(
      std::ranges::count_if(streams, [&](const MediaStream& s) { return s.kind == kind && !s.cover; }));
}
bool MediaInfo::is_image() const {
  const bool one = streams.size() == 1 && streams[0].kind == "video";
  return one && (format == "image2" || format.ends_with("_pipe") || format == "gif" || format == "tiff" ||
                 format == "webp");
}

Json to_json(const MediaInfo& info) {
  Json streams = Json::array();
  for (const auto& stream : info.streams) streams.push_back(to_json(stream));
  const auto *video = info.first("video"), *audio = info.first("audio");
  return {{"format", info.format},
          {"duration", or_null(info.duration_s)},
          {"start", or_null(info.start_s)},
          {"bytes", or_null(info.bytes)},
          {"bit_rate", or_null(info.bit_rate)},
          {"image", info.is_image()},
          {"video_streams", info.count("video")},
          {"audio_streams", info.count("audio")},
          {"video", video ? to_json(*video) : Json(nullptr)},
          {"audio", audio ? to_json(*audio) : Json(nullptr)},
          {"streams", streams}};
}

Json summary_of(const MediaInfo& info) {
  Json out = {{"format", info.format}, {"duration_s", or_null(info.duration_s)}};
  if (const auto* video = info.first("video")) {
    out["video"] = video->codec;
    out["width"] = or_null(video->width);
    out["height"] = or_null(video->height);
    if (!info.is_image()) out["fps"] = or_null(video->fps);
  }
  if (const auto* audio = info.first("audio")) {
    out["audio"] = audio->codec;
    out["channels"] = or_null(audio->channels);
    out["sample_rate"] = or_null(audio->sample_rate);
  }
  if (info.bit_rate) out["bit_rate"] = *info.bit_rate;
  out["streams"] = info.streams.size();
  return out;
}

Result<MediaInfo> parse_ffprobe(const std::string& text, const std::string& what) {
  TRY(const Json json, parse_json(text, "ffprobe's report on " + what));
  const Json &format = at_or_null(json, "format"), &streams = at_or_null(json, "streams");
  if (!format.is_object() || !streams.is_array()) return bad_input("ffprobe told nothing of", what);
  MediaInfo out;
  out.format = text_or(format, "format_name");
  out.duration_s = number_at(format, "duration");
  out.start_s = number_at(format, "start_time");
  out.bytes = whole_at(format, "size");
  out.bit_rate = whole_at(format, "bit_rate");
  for (const Json& stream : streams) out.streams.push_back(stream_of(stream));
  return out;
}

Result<MediaInfo> probe_media(const std::string& location, const std::string& shown) {
  constexpr Duration kPatience = std::chrono::seconds(60);
  std::vector<std::string> argv = {"ffprobe", "-v", "error", "-hide_banner"};
  const auto allowed = whitelist_args(location);
  argv.insert(argv.end(), allowed.begin(), allowed.end());
  for (const char* word : {"-of", "json", "-show_format", "-show_streams", "-i"}) argv.emplace_back(word);
  argv.push_back(location);
  TRY(const Captured told, capture(argv, kPatience));
  if (told.timed_out) return bad_input("the input did not answer within 60 s:", shown);
  if (!told.ok()) {
    std::string why = told.complaint();
    // "file:./x: Invalid data found when processing input": the name is said already.
    if (why.starts_with(location + ": ")) why.erase(0, location.size() + 2);
    return bad_input("not media that FFmpeg can read:", shown, why);
  }
  TRY(MediaInfo info, parse_ffprobe(told.out, shown));
  if (is_indirect_format(info.format))
    return bad_input("a playlist that points elsewhere, not media:", shown, "give the media itself");
  return info;
}

}  // namespace ffrtmp
