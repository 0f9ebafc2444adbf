#include "media/progress.h"

#include <cmath>
#include <cstdlib>
#include <vector>

#include "sys/text.h"

namespace ffrtmp {

namespace {

constexpr size_t kLongestLine = 1024;

/// A plain decimal at the start of `text`, taken off it.
std::optional<double> take_number(std::string_view& text) {
  size_t end = 0;
  while (end < text.size() && (std::isdigit(static_cast<unsigned char>(text[end])) || text[end] == '.'))
    end++;
  if (end == 0 || end > 32) return std::nullopt;
  const std::string digits(text.substr(0, end));
  char* stop = nullptr;
  const double value = std::strtod(digits.c_str(), &stop);
  if (*stop || !std::isfinite(value)) return std::nullopt;
  text.remove_prefix(end);
  return value;
}

struct Part {
  std::string literal;  ///< without runs of blanks
  std::string field;    ///< "" for none, "*" for anything
};

Result<std::vector<Part>> parts_of(const std::string& pattern) {
  const auto wrong = [&](const char* hint) {
    return bad_input("not a line pattern:", "\"" + pattern + "\"", hint);
  };
  std::vector<Part> out;
  Part part;
  bool field = false;
  for (size_t i = 0; i < pattern.size(); i++) {
    if (pattern[i] != '{') {
      part.literal += pattern[i];
      continue;
    }
    const size_t end = pattern.find('}', i);
    if (end == std::string::npos) return wrong("a { has no }");
    part.field = pattern.substr(i + 1, end - i - 1);
    if (part.field != "*" && part.field != "percent" && part.field != "seconds" && part.field != "frames" &&
        part.field != "fps" && part.field != "speed")
      return wrong("fields are {percent}, {seconds}, {frames}, {fps}, {speed} and {*}");
    if (part.literal.empty() && !out.empty()) return wrong("two fields need text between them");
    field |= part.field != "*";
    out.push_back(std::exchange(part, {}));
    i = end;
  }
  if (!part.literal.empty()) out.push_back(part);
  if (!field) return wrong("it has no field such as {percent}");
  return out;
}

/// Takes `literal` off the start of `text`, a blank in it standing for any run of blanks.
bool take_literal(std::string_view& text, std::string_view literal) {
  std::string_view rest = text;
  for (const char c : literal) {
    if (c == ' ') {
      while (rest.starts_with(' ') || rest.starts_with('\t')) rest.remove_prefix(1);
    } else if (rest.starts_with(c)) {
      rest.remove_prefix(1);
    } else {
      return false;
    }
  }
  text = rest;
  return true;
}

std::optional<LineProgress> match_from(const std::vector<Part>& parts, std::string_view text) {
  LineProgress out;
  bool anything = false;
  for (const auto& part : parts) {
    if (anything) {  // after {*}: the first place where the literal stands
      std::string_view at = text;
      while (!at.empty() && !take_literal(at, part.literal)) at.remove_prefix(1);
      if (at.empty() && !take_literal(at, part.literal)) return std::nullopt;
      text = at;
    } else if (!take_literal(text, part.literal)) {
      return std::nullopt;
    }
    anything = part.field == "*";
    if (part.field.empty() || anything) continue;
    while (text.starts_with(' ')) text.remove_prefix(1);
    const auto number = take_number(text);
    if (!number) return std::nullopt;
    (part.field == "percent"   ? out.percent
     : part.field == "seconds" ? out.seconds
     : part.field == "frames"  ? out.frames
     : part.field == "fps"     ? out.fps
                               : out.speed) = number;
  }
  return out;
}

}  // namespace

Status check_line_pattern(const std::string& pattern) {
  TRY(const auto parts, parts_of(pattern));
  (void)parts;
  return {};
}

std::optional<LineProgress> match_last_line(const std::string& pattern, std::string_view told) {
  const auto parts = parts_of(pattern);
  if (!parts) return std::nullopt;
  while (!told.empty()) {
    const size_t cut = told.find_last_of("\r\n");
    const std::string_view line =
        (cut == std::string_view::npos ? told : told.substr(cut + 1)).substr(0, kLongestLine);
    for (size_t at = 0; at < line.size(); at++)
      if (auto found = match_from(*parts, line.substr(at))) return found;
    if (cut == std::string_view::npos) break;
    told = told.substr(0, cut);
  }
  return std::nullopt;
}

std::optional<MediaProgress> parse_gst_progress(std::string_view told) {
  while (!told.empty()) {
    const size_t cut = told.find_last_of('\n');
    std::string_view line = cut == std::string_view::npos ? told : told.substr(cut + 1);
    if (const size_t at = line.find("): ");
        line.find("progressreport") != std::string_view::npos && at != std::string_view::npos) {
      line.remove_prefix(at + 3);
      if (const auto seconds = take_number(line); seconds && line.find("seconds") != std::string_view::npos) {
        MediaProgress out;
        out.out_time_s = *seconds;
        return out;
      }
    }
    if (cut == std::string_view::npos) break;
    told = told.substr(0, cut);
  }
  return std::nullopt;
}

std::string as_ffmpeg_progress(const MediaProgress& progress) {
  char line[64];
  std::string out;
  if (progress.frames) out += "frame=" + std::to_string(*progress.frames) + "\n";
  if (progress.fps && snprintf(line, sizeof line, "fps=%.2f\n", *progress.fps) > 0) out += line;
  if (progress.out_time_s && *progress.out_time_s < 9e12)
    out += "out_time_us=" + std::to_string(std::llround(*progress.out_time_s * 1e6)) + "\n";
  if (progress.speed && snprintf(line, sizeof line, "speed=%.3fx\n", *progress.speed) > 0) out += line;
  return out + (progress.finished ? "progress=end\n" : "progress=continue\n");
}

std::string gst_quote(std::string_view text) {
  std::string out = "\"";
  for (const char c : text) {
    if (c == '"' || c == '\\') out += '\\';
    out += c;
  }
  return out + "\"";
}

std::string filter_quote(std::string_view text) {
  // Twice: once for the value of an option, once for the graph around it (ffmpeg-filters(1), "Notes on
  // filtergraph escaping").
  const auto escape = [](std::string_view from, std::string_view special) {
    std::string out;
    for (const char c : from) {
      if (special.find(c) != std::string_view::npos) out += '\\';
      out += c;
    }
    return out;
  };
  return escape(escape(text, "\\':"), "\\'[],;");
}

}  // namespace ffrtmp
