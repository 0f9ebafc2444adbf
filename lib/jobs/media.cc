#include "jobs/media.h"

#include <cstdlib>

#include "jobs/tail.h"
#include "sys/text.h"

namespace ffrtmp {

namespace {

/// A decimal such as "29.97", "1.02x" or "1234.5kbits/s" up to its unit; nullopt for "N/A".
std::optional<double> decimal(std::string_view text, std::string_view unit) {
  text = trim(text);
  if (!text.ends_with(unit)) return std::nullopt;
  text.remove_suffix(unit.size());
  // strtod wants a terminated text and would take "inf", "nan" and hex.
  const std::string plain(trim(text));
  if (plain.empty() || plain.find_first_not_of("0123456789.eE+-") != std::string::npos) return std::nullopt;
  char* end = nullptr;
  const double value = std::strtod(plain.c_str(), &end);
  if (*end != '\0' || !(value > -1e300 && value < 1e300)) return std::nullopt;
  return value;
}

}  // namespace

std::optional<MediaProgress> parse_progress(std::string_view text) {
  // Only whole blocks count: each ends with a line "progress=", and what stands behind the last one is half
  // written.
  constexpr std::string_view kEnd = "progress=";
  const auto end_line_before = [&](size_t limit) {
    size_t at = limit == 0 ? std::string_view::npos : text.rfind(kEnd, limit - 1);
    while (at != std::string_view::npos && at != 0 && text[at - 1] != '\n') at = text.rfind(kEnd, at - 1);
    return at;
  };
  const size_t end = end_line_before(text.size());
  if (end == std::string_view::npos) return std::nullopt;
  const size_t before = end_line_before(end);
  const size_t begin = before == std::string_view::npos ? 0 : before;
  const std::string_view block = text.substr(begin, std::min(text.find('\n', end), text.size()) - begin);
  MediaProgress out;
  for (std::string_view line : lines(block)) {
    const size_t equals = line.find('=');
    if (equals == std::string_view::npos) continue;
    const std::string_view key = trim(line.substr(0, equals)), value = trim(line.substr(equals + 1));
    if (key == "frame")
      out.frames = parse_u64(value);
    else if (key == "fps")
      out.fps = decimal(value, "");
    else if (key == "bitrate") {
      out.bitrate_bps = decimal(value, "kbits/s");
      if (out.bitrate_bps) *out.bitrate_bps *= 1000;
    } else if (key == "total_size")
      out.total_bytes = parse_u64(value);
    else if (key == "out_time_us") {
      if (const auto micros = parse_i64(value)) out.out_time_s = static_cast<double>(*micros) / 1e6;
    } else if (key == "dup_frames")
      out.duplicated = parse_u64(value);
    else if (key == "drop_frames")
      out.dropped = parse_u64(value);
    else if (key == "speed")
      out.speed = decimal(value, "x");
    else if (key == "progress")
      out.finished = value == "end";
  }
  return out;
}

std::optional<MediaProgress> read_progress(const std::string& path) {
  const auto text = read_tail(path, 8192);
  return text ? parse_progress(*text) : std::nullopt;
}

Json to_json(const MediaProgress& progress) {
  return {{"frames", or_null(progress.frames)},
          {"fps", or_null(progress.fps)},
          {"speed", or_null(progress.speed)},
          {"out_time_s", or_null(progress.out_time_s)},
          {"bitrate_bps", or_null(progress.bitrate_bps)},
          {"total_bytes", or_null(progress.total_bytes)},
          {"dropped", or_null(progress.dropped)},
          {"duplicated", or_null(progress.duplicated)},
          {"finished", progress.finished}};
}

std::vector<std::string> with_progress(const std::vector<std::string>& argv, const std::string& path) {
  std::vector<std::string> out{argv[0], "-progress", "file:" + path, "-stats_period", "1"};
  out.insert(out.end(), argv.begin() + 1, argv.end());
  return out;
}

}  // namespace ffrtmp
