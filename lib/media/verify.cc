#include "media/verify.h"

#include <sys/stat.h>

#include <algorithm>
#include <cmath>
#include <filesystem>

#include "jobs/media.h"
#include "media/hls.h"
#include "media/image_header.h"
#include "media/info.h"
#include "proc/capture.h"
#include "sys/file.h"
#include "sys/text.h"

namespace ffrtmp {

namespace {

namespace fs = std::filesystem;
constexpr Duration kPatience = std::chrono::hours(6);
constexpr double kEnds = 2;  // seconds that are decoded at each end

VerifyOutcome failed(std::string reason) { return {false, std::move(reason), "", nullptr, 0}; }

std::optional<double> number(const Json& expect, const char* key) {
  const Json& value = at_or_null(expect, key);
  if (value.is_boolean()) return value.get<bool>() ? 1 : 0;
  return value.is_number() ? std::optional(value.get<double>()) : std::nullopt;
}
std::string shown(double value) {
  char out[64];
  snprintf(out, sizeof out, "%.3f", value);
  std::string text = out;
  while (text.ends_with('0')) text.pop_back();
  if (text.ends_with('.')) text.pop_back();
  return text;
}

off_t size_of(const std::string& path) {
  struct stat info {};
  return ::stat(path.c_str(), &info) == 0 && S_ISREG(info.st_mode) ? info.st_size : -1;
}

std::string check_size(const std::string& path) {
  const off_t size = size_of(path);
  return size < 0 ? "it was not made" : size == 0 ? "it is empty" : "";
}

/// The codec names of types and of ffprobe differ for a few.
std::string probe_name(const std::string& codec) {
  return codec == "h265" ? "hevc" : codec == "pcm" ? "pcm_s16le" : codec == "jpeg" ? "mjpeg" : codec;
}

std::string check_stream_facts(const MediaInfo& info, const Json& expect) {
  for (const char* kind : {"video", "audio"})
    if (const auto want = number(expect, kind); want && static_cast<double>(info.count(kind)) != *want)
      return "it has " + std::to_string(info.count(kind)) + " " + kind + " stream(s) instead of " +
             shown(*want);
  const auto *video = info.first("video"), *audio = info.first("audio");
  const auto codec_of = [&](const char* key, const MediaStream* stream) -> std::string {
    const std::string want = probe_name(text_or(expect, key));
    if (want.empty() || want == "copy" || !stream || stream->codec == want) return "";
    return "its " + std::string(stream->kind) + " is " + stream->codec + " instead of " + want;
  };
  if (auto wrong = codec_of("video_codec", video); !wrong.empty()) return wrong;
  if (auto wrong = codec_of("audio_codec", audio); !wrong.empty()) return wrong;
  if (video) {
    const auto side = [&](const char* key, const std::optional<int64_t>& have) -> std::string {
      const auto want = number(expect, key);
      if (!want || !have || std::fabs(*want - static_cast<double>(*have)) < 0.5) return "";
      return "its " + std::string(key) + " is " + std::to_string(*have) + " instead of " + shown(*want);
    };
    if (auto wrong = side("width", video->width); !wrong.empty()) return wrong;
    if (auto wrong = side("height", video->height); !wrong.empty()) return wrong;
    if (const auto want = number(expect, "fps");
        want && video->fps && std::fabs(*want - *video->fps) > 0.02 * *want + 0.01)
      return "it has " + shown(*video->fps) + " frames a second instead of " + shown(*want);
  }
  return "";
}

std::string check_duration(std::optional<double> have, const Json& expect) {
  const auto want = number(expect, "duration");
  if (!want) return "";
  const double tolerance = number(expect, "tolerance").value_or(std::max(0.5, *want * 0.01));
  if (!have) return "it tells no duration, " + shown(*want) + " s were expected";
  if (std::fabs(*have - *want) <= tolerance) return "";
  return "it lasts " + shown(*have) + " s instead of " + shown(*want) + " s (tolerance " + shown(tolerance) +
         " s)";
}

/// Decodes it, or its two ends, with every error counted. Returns what is wrong, or "".
std::string check_decoding(const std::string& location, const std::string& protocols, const MediaInfo& info,
                           VerifyLevel level, std::string& looked) {
  std::vector<std::string> argv = {"ffmpeg", "-nostdin", "-hide_banner", "-v",
                                   "error",  "-nostats", "-xerror"};
  const auto add = [&](std::initializer_list<std::string> more) { argv.insert(argv.end(), more); };
  const bool keyed = protocols.find("crypto") != std::string::npos;
  const bool ends = level == VerifyLevel::quick && info.duration_s.value_or(0) > 3 * kEnds;
  if (ends) add({"-t", shown(kEnds)});
  const auto input = [&] {
    add({"-protocol_whitelist", protocols});
    if (keyed) add({"-allowed_extensions", "ALL"});
    add({"-i", location});
  };
  input();
  if (ends) {
    add({"-sseof", "-" + shown(kEnds)});
    input();
  }
  for (int i = 0; i <= (ends ? 1 : 0); i++)
    for (const char* kind : {"v", "a"}) add({"-map", std::to_string(i) + ":" + kind + "?"});
  add({"-progress", "pipe:1", "-f", "null", "-"});
  looked = ends ? "streams, duration, decode of the first and last " + shown(kEnds) + " s"
                : "streams, duration, decode of every frame";
  const auto told = capture(argv, kPatience);
  if (!told) return told.error().message();
  if (told->timed_out) return "decoding it took too long";
  if (!told->ok()) return "it does not decode without an error: " + told->complaint();
  const auto progress = parse_progress(told->out);
  if (info.first("video") && (!progress || progress->frames.value_or(0) == 0))
    return "no frame of it can be decoded";
  return "";
}

VerifyOutcome media(const std::string& path, const std::string& protocols, const Json& expect,
                    VerifyLevel level) {
  VerifyOutcome out;
  std::vector<std::string> argv = {"ffprobe", "-v", "error", "-hide_banner", "-protocol_whitelist",
                                   protocols};
  // A key's name has an extension of its own, which FFmpeg's HLS reader does not open otherwise. The playlist
  // is ours and was looked at.
  if (protocols.find("crypto") != std::string::npos) argv.insert(argv.end(), {"-allowed_extensions", "ALL"});
  argv.insert(argv.end(), {"-of", "json", "-show_format", "-show_streams", "-i", "file:" + path});
  const auto told = capture(argv, kPatience);
  if (!told) return failed(told.error().message());
  if (!told->ok()) return failed("FFmpeg cannot read it: " + told->complaint());
  const auto info = parse_ffprobe(told->out, path);
  if (!info) return failed(info.error().message());
  out.probe = summary_of(*info);
  out.duration_s = info->duration_s.value_or(0);
  const auto wrong = [&](std::string reason) {
    out.ok = false;
    out.reason = std::move(reason);
    return out;
  };
  if (info->streams.empty()) return wrong("it has no stream");
  if (auto reason = check_stream_facts(*info, expect); !reason.empty()) return wrong(reason);
  if (auto reason = check_duration(info->duration_s, expect); !reason.empty()) return wrong(reason);
  if (auto reason = check_decoding("file:" + path, protocols, *info, level, out.looked); !reason.empty())
    return wrong(reason);
  return out;
}

/// The files that FOLDER/*.ext stands for, or the one file.
std::vector<std::string> files_of(const std::string& path) {
  const size_t star = path.rfind("/*");
  if (star == std::string::npos || path.find('/', star + 1) != std::string::npos) return {path};
  const std::string suffix = path.substr(star + 2);
  std::vector<std::string> out;
  std::error_code error;
  for (const auto& entry : fs::directory_iterator(path.substr(0, star), error))
    if (entry.is_regular_file(error) && entry.path().filename().string().ends_with(suffix))
      out.push_back(entry.path());
  std::ranges::sort(out);
  return out;
}

std::string decode_pictures(const std::vector<std::string>& files) {
  // Many to a process: starting FFmpeg costs more than decoding a thumbnail.
  constexpr size_t kAtOnce = 50;
  for (size_t begin = 0; begin < files.size(); begin += kAtOnce) {
    std::vector<std::string> argv = {"ffmpeg", "-nostdin", "-hide_banner", "-v",
                                     "error",  "-nostats", "-xerror"};
    const size_t end = std::min(files.size(), begin + kAtOnce);
    for (size_t i = begin; i < end; i++)
      argv.insert(argv.end(), {"-protocol_whitelist", "file", "-threads", "1", "-i", "file:" + files[i]});
    for (size_t i = begin; i < end; i++)
      argv.insert(argv.end(), {"-map", std::to_string(i - begin) + ":v:0"});
    argv.insert(argv.end(), {"-f", "null", "-"});
    const auto told = capture(argv, kPatience);
    if (!told) return told.error().message();
    if (!told->ok()) return "a picture does not decode without an error: " + told->complaint();
  }
  return "";
}

VerifyOutcome images(const std::string& path, const Json& expect, VerifyLevel) {
  VerifyOutcome out;
  const auto files = files_of(path);
  if (files.empty()) return failed("no picture was made");
  if (const auto want = number(expect, "count"); want && static_cast<double>(files.size()) != *want)
    return failed(std::to_string(files.size()) + " picture(s) were made instead of " + shown(*want));
  for (const auto& file : files) {
    if (auto reason = check_size(file); !reason.empty()) return failed(file + ": " + reason);
    const auto start = read_file(file, 1 << 16);
    auto header = start ? read_image_header(*start) : std::nullopt;
    // FFmpeg writes a TIFF's directory at its end.
    if (!header && start)
      if (const auto whole = read_file(file, 256 << 20)) header = read_image_header(*whole);
    if (!header) return failed(file + ": it is not a picture");
    for (const auto& [key, have] : {std::pair{"width", header->width}, std::pair{"height", header->height}})
      if (const auto want = number(expect, key); want && std::fabs(*want - static_cast<double>(have)) > 0.5)
        return failed(file + ": its " + key + " is " + std::to_string(have) + " instead of " + shown(*want));
    if (files.size() == 1)
      out.probe = {{"format", header->format}, {"width", header->width}, {"height", header->height}};
  }
  if (auto reason = decode_pictures(files); !reason.empty()) return failed(reason);
  out.looked = "headers and decode of " + std::to_string(files.size()) + " picture(s)";
  return out;
}

std::string folder_of(const std::string& path) { return path.substr(0, path.rfind('/')); }

/// An address in a playlist of ours is a plain relative path.
bool plain_relative(const std::string& uri) {
  return !uri.empty() && uri[0] != '/' && uri.find("..") == std::string::npos &&
         uri.find(':') == std::string::npos;
}

Result<HlsPlaylist> load_playlist(const std::string& path) {
  TRY(const std::string text, read_file(path, 16 << 20));
  auto out = parse_hls(text);
  if (!out) return bad_input(path.substr(path.rfind('/') + 1) + ", " + out.error().step, out.error().object);
  return out;
}

std::string check_media_playlist(const std::string& path, const HlsPlaylist& list, const HlsPlaylist* other) {
  const std::string name = path.substr(path.rfind('/') + 1);
  if (list.segments.empty()) return name + " has no segment";
  if (!list.ended) return name + " is not ended";
  if (!list.init_uri.empty() && size_of(folder_of(path) + "/" + list.init_uri) <= 0)
    return name + ": its first part " + list.init_uri + " is missing";
  for (const auto& segment : list.segments) {
    if (!plain_relative(segment.uri)) return name + ": " + segment.uri + " is not beside it";
    if (size_of(folder_of(path) + "/" + segment.uri) <= 0)
      return name + ": segment " + segment.uri + " is missing or empty";
    if (std::llround(segment.duration_s) > std::llround(list.target_s))
      return name + ": segment " + segment.uri + " is longer than the target";
  }
  if (!other) return "";
  if (other->segments.size() != list.segments.size())
    return name + " has " + std::to_string(list.segments.size()) + " segments where another rendition has " +
           std::to_string(other->segments.size());
  for (size_t i = 0; i < list.segments.size(); i++)
    if (std::fabs(list.segments[i].duration_s - other->segments[i].duration_s) > 0.05)
      return name + ": segment " + std::to_string(i) + " is not aligned with the other renditions";
  return "";
}

VerifyOutcome hls(const std::string& path, const Json& expect, VerifyLevel level) {
  const auto master = load_playlist(path);
  if (!master) return failed(master.error().message());
  if (!master->master) return failed("the master playlist names no rendition");
  if (const auto want = number(expect, "renditions");
      want && static_cast<double>(master->renditions.size()) != *want)
    return failed("it has " + std::to_string(master->renditions.size()) + " renditions instead of " +
                  shown(*want));
  std::optional<HlsPlaylist> first;
  size_t segments = 0;
  for (const auto& rendition : master->renditions) {
    if (!plain_relative(rendition.uri)) return failed(rendition.uri + " is not beside the master playlist");
    const std::string file = folder_of(path) + "/" + rendition.uri;
    auto list = load_playlist(file);
    if (!list) return failed(list.error().message());
    if (auto reason = check_media_playlist(file, *list, first ? &*first : nullptr); !reason.empty())
      return failed(reason);
    if (auto reason = check_duration(list->duration_s(), expect); !reason.empty())
      return failed(rendition.uri + ": " + reason);
    segments += list->segments.size();
    if (!first) first = std::move(*list);
  }
  Json streams = Json::object();  // the sum over renditions is not what one expects of a film
  for (const char* key : {"video_codec", "audio_codec"})
    if (expect.contains(key)) streams[key] = expect[key];
  VerifyOutcome out = media(path, "file,crypto", streams, level);
  if (out.ok)
    out.looked = "playlists, " + std::to_string(segments) + " segments, alignment of " +
                 std::to_string(master->renditions.size()) + " renditions, " + out.looked;
  return out;
}

}  // namespace

VerifyOutcome verify_output(const std::string& kind, const std::string& path, const Json& expect,
                            VerifyLevel level) {
  VerifyOutcome out;
  if (kind != "images" || path.rfind("/*") == std::string::npos) {
    if (auto reason = check_size(path); !reason.empty()) return failed(reason);
  } else if (files_of(path).empty()) {
    return failed("no picture was made");
  }
  if (level == VerifyLevel::none || kind == "any") {
    out.looked = "that it is there and not empty";
    return out;
  }
  if (kind == "media") return media(path, "file", expect, level);
  if (kind == "images") return images(path, expect, level);
  if (kind == "hls") return hls(path, expect, level);
  if (kind == "dash") return media(path, "file", expect, level);
  const auto text = read_file(path, 64 << 20);
  if (!text) return failed(text.error().message());
  if (kind == "webvtt") {
    const auto cues = parse_webvtt(*text);
    if (!cues) return failed(cues.error().message());
    if (const auto want = number(expect, "cues"); want && static_cast<double>(cues->size()) != *want)
      return failed("it has " + std::to_string(cues->size()) + " cues instead of " + shown(*want));
    out.looked = "the times of " + std::to_string(cues->size()) + " cues";
    return out;
  }
  const auto json = parse_json(*text, path);
  if (!json) return failed(json.error().message());
  if (json->empty()) return failed("the JSON in it is empty");
  out.looked = "that it is JSON";
  return out;
}

}  // namespace ffrtmp
