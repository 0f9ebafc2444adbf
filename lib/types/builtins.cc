#include "types/builtins.h"

#include <fcntl.h>
#include <sys/random.h>
#include <unistd.h>

#include <algorithm>
#include <cmath>
#include <cstdlib>
#include <filesystem>

#include "media/hls.h"
#include "media/info.h"
#include "sys/file.h"
#include "sys/text.h"

namespace ffrtmp {

namespace {

using Words = std::vector<std::string>;

Status write_text(const std::string& path, const std::string& text, mode_t mode = 0644) {
  TRY(const Fd fd, open_at(AT_FDCWD, path, O_WRONLY | O_CREAT | O_TRUNC, mode));
  return write_all(fd.get(), text);
}
Status write_json(const std::string& path, const Json& json) {
  return write_text(path, dump_json(json, 1) + "\n");
}

std::optional<double> number(std::string_view text) {
  const std::string digits(text);
  if (digits.empty() || digits.find_first_not_of("0123456789.-+e") != std::string::npos) return std::nullopt;
  char* end = nullptr;
  const double value = std::strtod(digits.c_str(), &end);
  return *end == '\0' ? std::optional(value) : std::nullopt;
}

/// probe OUT PATH
Status probe(const Words& a) {
  TRY(const MediaInfo info, probe_media(a[1].find("://") == std::string::npos ? "file:" + a[1] : a[1], a[1]));
  Json out = {{"schema", 1}, {"path", a[1]}};
  out.update(to_json(info));
  return write_json(a[0], out);
}

/// hash OUT ALGORITHM WHAT PATH PRINTED: what sha256sum or FFmpeg's hash muxer printed, as JSON.
Status hash(const Words& a) {
  TRY(const std::string text, read_file(a[4], 1 << 16));
  std::string digest;
  const size_t equals = text.find('=');
  if (equals != std::string::npos && equals < 16)
    digest = trim(std::string_view(text).substr(equals + 1));
  else
    digest = text.substr(text.starts_with('\\') ? 1 : 0, text.find(' ') - (text.starts_with('\\') ? 1 : 0));
  std::ranges::transform(digest, digest.begin(),
                         [](unsigned char c) { return static_cast<char>(std::tolower(c)); });
  if (digest.size() < 8 || digest.find_first_not_of("0123456789abcdef") != std::string::npos)
    return bad_input("no digest was printed:", digest.substr(0, 80));
  return write_json(a[0],
                    {{"schema", 1}, {"path", a[3]}, {"algorithm", a[1]}, {"of", a[2]}, {"digest", digest}});
}

/// Mean, harmonic mean, extremes and percentiles of a figure over the frames.
Json pooled(std::vector<double> values) {
  std::ranges::sort(values);
  double sum = 0, inverse = 0;
  for (const double value : values) sum += value, inverse += 1 / std::max(value, 1e-9);
  const auto count = static_cast<double>(values.size());
  const auto at = [&](double share) {
    return values[std::min(values.size() - 1, static_cast<size_t>(share * count))];
  };
  const auto three = [](double value) { return std::round(value * 1e4) / 1e4; };
  return {{"mean", three(sum / count)},   {"harmonic_mean", three(count / inverse)},
          {"min", three(values.front())}, {"max", three(values.back())},
          {"p1", three(at(0.01))},        {"p5", three(at(0.05))},
          {"p50", three(at(0.5))}};
}

/// The figure after `key` on each line of a stats file of the filters psnr and ssim. Equal frames have "inf",
/// which JSON cannot say: it stands as 100 dB.
std::vector<double> column(const std::string& path, std::string_view key) {
  std::vector<double> out;
  const auto text = read_file(path, 256 << 20);
  if (!text) return out;
  for (const auto line : lines(*text))
    for (const auto word : words(line)) {
      if (!word.starts_with(key)) continue;
      const auto rest = word.substr(key.size());
      if (rest == "inf") out.push_back(100);
      if (const auto value = number(rest)) out.push_back(std::min(*value, 100.0));
    }
  return out;
}

/// quality OUT REFERENCE DISTORTED PSNR-LOG SSIM-LOG VMAF-LOG; logs that are not there are left out.
Status quality(const Words& a) {
  Json out = {{"schema", 1}, {"reference", a[1]}, {"distorted", a[2]}};
  const auto psnr = column(a[3], "psnr_avg:"), ssim = column(a[4], "All:");
  std::vector<double> vmaf;
  if (const auto text = read_file(a[5], 256 << 20))
    if (const auto json = parse_json(*text, a[5]))
      if (const Json& frames = at_or_null(*json, "frames"); frames.is_array())
        for (const Json& frame : frames)
          if (const Json& value = at_or_null(at_or_null(frame, "metrics"), "vmaf"); value.is_number())
            vmaf.push_back(value.get<double>());
  if (psnr.empty() && ssim.empty() && vmaf.empty()) return bad_input("no frame was compared", "");
  out["frames"] = std::max({psnr.size(), ssim.size(), vmaf.size()});
  if (!psnr.empty()) out["psnr_db"] = pooled(psnr);
  if (!ssim.empty()) out["ssim"] = pooled(ssim);
  out["vmaf"] = vmaf.empty() ? Json(nullptr) : pooled(vmaf);
  return write_json(a[0], out);
}

/// exif OUT PRINTED: exiftool prints a list of one.
Status exif(const Words& a) {
  TRY(const std::string text, read_file(a[1], 64 << 20));
  TRY(const Json json, parse_json(text, "what exiftool printed"));
  if (!json.is_array() || json.size() != 1 || !json[0].is_object())
    return bad_input("exiftool told nothing", "");
  if (const std::string error = text_or(json[0], "ExifTool:Error"); !error.empty())
    return bad_input("exiftool:", error);
  return write_json(a[0], json[0]);
}

/// sprite-vtt OUT SHEET-NAME COLUMNS ROWS WIDTH HEIGHT INTERVAL DURATION: where each picture of the sheets
/// stands.
Status sprite_vtt(const Words& a) {
  double n[6];
  for (size_t i = 0; i < 6; i++) {
    const auto value = number(a[i + 2]);
    if (!value || *value <= 0 || *value > 1e6) return bad_input("sprite-vtt: not a size:", a[i + 2]);
    n[i] = *value;
  }
  const auto columns = static_cast<long>(n[0]), rows = static_cast<long>(n[1]),
             width = static_cast<long>(n[2]), height = static_cast<long>(n[3]);
  std::vector<VttCue> cues;
  for (long i = 0; static_cast<double>(i) * n[4] < n[5] - 0.001 && i < 1'000'000; i++) {
    const long sheet = i / (columns * rows), cell = i % (columns * rows);
    char name[512];
    std::string file = a[1];
    if (const size_t at = file.find("%d"); at != std::string::npos)
      file.replace(at, 2, std::to_string(sheet + 1));
    snprintf(name, sizeof name, "#xywh=%ld,%ld,%ld,%ld", cell % columns * width, cell / columns * height,
             width, height);
    cues.push_back(
        {static_cast<double>(i) * n[4], std::min(n[5], static_cast<double>(i + 1) * n[4]), file + name});
  }
  return write_text(a[0], format_webvtt(cues));
}

/// hls-key FOLDER URI INFO: a fresh AES-128 key in FOLDER/URI, and the file that FFmpeg reads about it.
Status hls_key(const Words& a) {
  unsigned char key[16];
  if (::getrandom(key, sizeof key, 0) != sizeof key) return sys_error("drawing a key", "");
  const std::string path = a[0] + "/" + a[1];
  TRY_OK(write_text(path, std::string(reinterpret_cast<char*>(key), sizeof key), 0600));
  return write_text(a[2], a[1] + "\n" + path + "\n", 0600);
}

/// use-first TARGET FILE...: the first that is there and not empty becomes the target.
Status use_first(const Words& a) {
  std::error_code error;
  for (size_t i = 1; i < a.size(); i++) {
    const auto size = std::filesystem::file_size(a[i], error);
    if (error || size == 0) continue;
    if (::rename(a[i].c_str(), a[0].c_str()) != 0) return sys_error("renaming to", a[0]);
    return {};
  }
  return bad_input("none of these was made:", join(Words(a.begin() + 1, a.end()), ", "));
}

struct Builtin {
  const char* name;
  size_t arguments;  ///< at least
  Status (*run)(const Words&);
};
constexpr Builtin kBuiltins[] = {
    {"probe", 2, probe},           {"hash", 5, hash},       {"quality", 6, quality},    {"exif", 2, exif},
    {"sprite-vtt", 8, sprite_vtt}, {"hls-key", 3, hls_key}, {"use-first", 2, use_first}};

}  // namespace

const std::vector<std::string>& builtin_names() {
  static const std::vector<std::string> names = [] {
    std::vector<std::string> out;
    for (const auto& builtin : kBuiltins) out.emplace_back(builtin.name);
    return out;
  }();
  return names;
}

Status run_builtin(const std::string& name, const std::vector<std::string>& arguments) {
  for (const auto& builtin : kBuiltins) {
    if (name != builtin.name) continue;
    if (arguments.size() < builtin.arguments) return bad_input(name + " needs more arguments", "");
    return builtin.run(arguments);
  }
  return bad_input("no such builtin:", name);
}

}  // namespace ffrtmp
