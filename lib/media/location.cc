#include "media/location.h"

#include <algorithm>
#include <array>
#include <cctype>

#include "media/info.h"
#include "sys/text.h"

namespace ffrtmp {

std::optional<std::string> scheme_of(const std::string& text) {
  const size_t end = text.find_first_of(":,");
  if (end == std::string::npos || end == 0 || !std::isalpha(static_cast<unsigned char>(text[0])))
    return std::nullopt;
  // FFmpeg takes a ',' for the options of a protocol only when a ':' follows (subfile,,start,0,end,9,,:x).
  if (text.find(':', end) == std::string::npos) return std::nullopt;
  std::string scheme = text.substr(0, end);
  for (char& c : scheme) {
    const auto byte = static_cast<unsigned char>(c);
    if (!std::isalnum(byte) && c != '+' && c != '-' && c != '.') return std::nullopt;
    c = static_cast<char>(std::tolower(byte));
  }
  return scheme;
}

std::string plain_path(const std::string& path) { return path.starts_with("-") ? "./" + path : path; }

std::string ffmpeg_location(const std::string& path_or_url) {
  const auto scheme = scheme_of(path_or_url);
  if (scheme && path_or_url.find("://") == scheme->size()) return path_or_url;
  return "file:" + plain_path(path_or_url);
}

bool is_indirect_format(const std::string& format) {
  constexpr std::array kIndirect = {
      "hls",       "concat",      "dash",       "sdp", "rtsp", "imf", "webm_dash_manifest",
      "applehttp", "tedcaptions", "vapoursynth"};
  for (const auto name : split(format, ','))
    if (std::ranges::find(kIndirect, name) != kIndirect.end()) return true;
  return false;
}

bool looks_like_playlist(std::string_view start) {
  if (start.starts_with("\xEF\xBB\xBF")) start.remove_prefix(3);
  start = start.substr(0, 4096);
  for (const std::string_view sign :
       {"#EXTM3U", "ffconcat version", "[playlist]", "v=0\r\n", "v=0\n", "SDP\n"})
    if (start.starts_with(sign)) return true;
  return start.find("<MPD") != std::string_view::npos || start.find("<AssetMap") != std::string_view::npos ||
         start.find("<CompositionPlaylist") != std::string_view::npos;
}

std::string protocols_for(const std::string& location) {
  const auto scheme = scheme_of(location);
  if (!scheme || *scheme == "file") return "file";
  if (*scheme == "http") return "http,tcp,httpproxy,crypto";
  if (*scheme == "https") return "https,http,tls,tcp,httpproxy,crypto";
  if (*scheme == "rtmp") return "rtmp,tcp";
  if (*scheme == "rtmps") return "rtmps,tls,tcp";
  if (*scheme == "srt") return "srt,udp";
  if (*scheme == "udp") return "udp";
  if (*scheme == "rtsp" || *scheme == "rtsps") return "rtsp,rtp,rtcp,udp,tcp,tls,srtp";
  return *scheme;
}

std::vector<std::string> whitelist_args(const std::string& location) {
  return {"-protocol_whitelist", protocols_for(location)};
}

}  // namespace ffrtmp
