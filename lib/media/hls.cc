#include "media/hls.h"

#include <cmath>
#include <cstdlib>

#include "sys/text.h"

namespace ffrtmp {

namespace {

std::optional<double> decimal(std::string_view text) {
  const std::string digits(text);
  if (digits.empty() || digits.size() > 32 || digits.find_first_not_of("0123456789.") != std::string::npos)
    return std::nullopt;
  char* end = nullptr;
  const double value = std::strtod(digits.c_str(), &end);
  return *end == '\0' && value < 1e12 ? std::optional(value) : std::nullopt;
}

/// NAME=value or NAME="value" of an attribute list.
std::string attribute(std::string_view list, std::string_view name) {
  while (!list.empty()) {
    const size_t equals = list.find('=');
    if (equals == std::string_view::npos) break;
    const std::string_view key = trim(list.substr(0, equals));
    list.remove_prefix(equals + 1);
    size_t end;
    std::string_view value;
    if (list.starts_with('"')) {
      end = list.find('"', 1);
      value = list.substr(1, end == std::string_view::npos ? end : end - 1);
      end = end == std::string_view::npos ? end : list.find(',', end);
    } else {
      end = list.find(',');
      value = list.substr(0, end);
    }
    if (key == name) return std::string(value);
    if (end == std::string_view::npos) break;
    list.remove_prefix(end + 1);
  }
  return "";
}

std::unexpected<Error> wrong(size_t line, const char* what) {
  return bad_input("line " + std::to_string(line) + ":", what);
}

/// "01:02:03.456" or "02:03.456".
std::optional<double> vtt_time(std::string_view text) {
  double seconds = 0;
  const auto parts = split(text, ':');
  if (parts.size() < 2 || parts.size() > 3) return std::nullopt;
  for (const auto part : parts) {
    const auto value = decimal(part);
    if (!value) return std::nullopt;
    seconds = seconds * 60 + *value;
  }
  return seconds;
}
std::string vtt_text(double seconds) {
  char out[64];
  const auto ms = static_cast<long long>(std::llround(seconds * 1000));
  snprintf(out, sizeof out, "%02lld:%02lld:%02lld.%03lld", ms / 3600000, ms / 60000 % 60, ms / 1000 % 60,
           ms % 1000);
  return out;
}

}  // namespace

double HlsPlaylist::duration_s() const {
  double sum = 0;
  for (const auto& segment : segments) sum += segment.duration_s;
  return sum;
}

Result<HlsPlaylist> parse_hls(std::string_view text) {
  HlsPlaylist out;
  double pending = -1;  // < 0: no segment is announced
  std::optional<HlsRendition> rendition;
  size_t number = 0;
  for (std::string_view line : lines(text)) {
    number++;
    line = trim(line);
    if (number == 1 && line != "#EXTM3U") return wrong(1, "a playlist begins with #EXTM3U");
    const auto tag = [&](std::string_view name) {
      if (!line.starts_with(name)) return false;
      line.remove_prefix(name.size());
      return true;
    };
    if (line.empty()) continue;
    if (tag("#EXT-X-TARGETDURATION:")) {
      const auto value = decimal(line);
      if (!value) return wrong(number, "the target duration is no number");
      out.target_s = *value;
    } else if (tag("#EXTINF:")) {
      pending = decimal(line.substr(0, line.find(','))).value_or(-1);
      if (pending < 0) return wrong(number, "a segment's duration is no number");
    } else if (tag("#EXT-X-STREAM-INF:")) {
      out.master = true;
      rendition.emplace();
      rendition->bandwidth =
          static_cast<int64_t>(parse_u64(attribute(line, "BANDWIDTH")).value_or(0) & INT64_MAX);
      const std::string size = attribute(line, "RESOLUTION");
      const size_t x = size.find('x');
      if (x != std::string::npos) {
        rendition->width = parse_i64(size.substr(0, x)).value_or(0);
        rendition->height = parse_i64(size.substr(x + 1)).value_or(0);
      }
    } else if (tag("#EXT-X-MAP:")) {
      out.init_uri = attribute(line, "URI");
    } else if (tag("#EXT-X-KEY:")) {
      out.key_method = attribute(line, "METHOD");
      out.key_uri = attribute(line, "URI");
    } else if (line == "#EXT-X-ENDLIST") {
      out.ended = true;
    } else if (!line.starts_with('#')) {
      if (rendition) {
        rendition->uri = line;
        out.renditions.push_back(std::move(*rendition));
        rendition.reset();
      } else if (pending >= 0) {
        out.segments.push_back({pending, std::string(line)});
        pending = -1;
      } else {
        return wrong(number, "an address without a tag that says what it is");
      }
    }
  }
  if (number == 0) return wrong(1, "the playlist is empty");
  if (pending >= 0 || rendition) return wrong(number, "the last tag has no address");
  return out;
}

Result<std::vector<VttCue>> parse_webvtt(std::string_view text) {
  std::vector<VttCue> out;
  if (text.starts_with("\xEF\xBB\xBF")) text.remove_prefix(3);
  size_t number = 0;
  bool want_text = false;
  for (std::string_view line : lines(text)) {
    number++;
    line = trim(line);
    if (number == 1) {
      if (line != "WEBVTT" && !line.starts_with("WEBVTT "))
        return wrong(1, "a WebVTT file begins with WEBVTT");
      continue;
    }
    if (const size_t arrow = line.find("-->"); arrow != std::string_view::npos) {
      const auto after = words(line.substr(arrow + 3));
      const auto begin = vtt_time(trim(line.substr(0, arrow))),
                 end = after.empty() ? std::nullopt : vtt_time(after[0]);
      if (!begin || !end) return wrong(number, "a cue's times cannot be read");
      if (*end <= *begin) return wrong(number, "a cue ends before it begins");
      out.push_back({*begin, *end, ""});
      want_text = true;
    } else if (want_text && !line.empty()) {
      out.back().text = line;
      want_text = false;
    }
  }
  if (number == 0) return wrong(1, "a WebVTT file begins with WEBVTT");
  return out;
}

std::string format_webvtt(const std::vector<VttCue>& cues) {
  std::string out = "WEBVTT\n";
  for (const auto& cue : cues)
    out += "\n" + vtt_text(cue.begin_s) + " --> " + vtt_text(cue.end_s) + "\n" + cue.text + "\n";
  return out;
}

}  // namespace ffrtmp
