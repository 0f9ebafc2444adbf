#include "media/encoders.h"

#include <fcntl.h>
#include <glob.h>
#include <sys/stat.h>
#include <sys/utsname.h>
#include <unistd.h>

#include <algorithm>
#include <cmath>
#include <cstdlib>

#include "proc/capture.h"
#include "proc/spawn.h"
#include "sys/environment.h"
#include "sys/file.h"
#include "sys/text.h"

namespace ffrtmp {

const std::vector<EncoderSpec>& known_encoders() {
  using enum EncoderFamily;
  static const std::vector<EncoderSpec> all = {
      {"h264_nvenc", "h264", "nvenc", nvenc}, {"h264_vaapi", "h264", "vaapi", vaapi},
      {"h264_qsv", "h264", "qsv", qsv},       {"h264_v4l2m2m", "h264", "v4l2", v4l2},
      {"libx264", "h264", "none", x264},      {"hevc_nvenc", "h265", "nvenc", nvenc},
      {"hevc_vaapi", "h265", "vaapi", vaapi}, {"hevc_qsv", "h265", "qsv", qsv},
      {"hevc_v4l2m2m", "h265", "v4l2", v4l2}, {"libx265", "h265", "none", x265},
      {"av1_nvenc", "av1", "nvenc", nvenc},   {"av1_vaapi", "av1", "vaapi", vaapi},
      {"av1_qsv", "av1", "qsv", qsv},         {"libsvtav1", "av1", "none", svtav1},
      {"vp9_vaapi", "vp9", "vaapi", vaapi},   {"vp9_qsv", "vp9", "qsv", qsv},
      {"libvpx-vp9", "vp9", "none", vpx9},    {"aac", "aac", "none", audio},
      {"libopus", "opus", "none", audio},     {"libmp3lame", "mp3", "none", audio},
      {"flac", "flac", "none", audio},        {"pcm_s16le", "pcm", "none", audio},
  };
  return all;
}

const EncoderSpec* encoder_named(std::string_view name) {
  for (const auto& spec : known_encoders())
    if (spec.name == name) return &spec;
  return nullptr;
}

std::vector<std::string> devices_of(std::string_view accel) {
  if (accel == "none") return {""};
  const char* pattern = accel == "nvenc"  ? "/dev/nvidia[0-9]*"
                        : accel == "v4l2" ? "/dev/video1[0-9]"
                                          : "/dev/dri/renderD*";
  std::vector<std::string> out;
  glob_t found{};
  if (::glob(pattern, 0, nullptr, &found) == 0)
    for (size_t i = 0; i < found.gl_pathc; i++) out.emplace_back(found.gl_pathv[i]);
  ::globfree(&found);
  return out;
}

std::string encoder_fingerprint() {
  std::vector<std::string> parts;
  struct stat info {};
  const auto program = find_program("ffmpeg", own_environment(), std::nullopt);
  if (program && ::stat(program->c_str(), &info) == 0)
    parts = {*program, std::to_string(info.st_size), std::to_string(info.st_mtim.tv_sec),
             std::to_string(info.st_ino)};
  utsname kernel{};
  if (::uname(&kernel) == 0) parts.emplace_back(kernel.release);
  parts.emplace_back(trim(read_or_empty(AT_FDCWD, "/sys/module/nvidia/version")));
  for (const char* accel : {"nvenc", "vaapi", "v4l2"})
    for (const auto& device : devices_of(accel)) {
      const std::string name = device.substr(device.rfind('/') + 1);
      parts.push_back(device + "=" + read_link(AT_FDCWD, "/sys/class/drm/" + name + "/device/driver"));
    }
  return join(parts, " ");
}

namespace {

std::string cache_path() {
  const auto absolute = [](const char* value) { return value && value[0] == '/'; };
  if (const char* cache = ::getenv("XDG_CACHE_HOME"); absolute(cache)) return std::string(cache) + "/ffrtmp";
  if (const char* home = ::getenv("HOME"); absolute(home)) return std::string(home) + "/.cache/ffrtmp";
  return ::geteuid() == 0 ? "/var/cache/ffrtmp" : "";
}

std::string version_of_ffmpeg() {
  const auto told = capture({"ffmpeg", "-version"}, std::chrono::seconds(20));
  if (!told || !told->ok()) return "";
  const auto parts = words(std::string_view(told->out).substr(0, told->out.find('\n')));
  return parts.size() > 2 ? std::string(parts[2]) : "";
}

/// x264's preset names, fastest first; other encoders have numbers for the same wish.
constexpr const char* kPresets[] = {"ultrafast", "superfast", "veryfast", "faster",  "fast",
                                    "medium",    "slow",      "slower",   "veryslow"};
int preset_rank(const std::string& name) {
  for (int i = 0; i < 9; i++)
    if (name == kPresets[i]) return i;
  return 5;
}

std::string whole(double value) { return std::to_string(std::lround(value)); }

}  // namespace

const std::vector<std::string>& preset_names() {
  static const std::vector<std::string> names(std::begin(kPresets), std::end(kPresets));
  return names;
}

std::vector<std::string> device_args(const EncoderSpec& spec, const std::string& device) {
  switch (spec.family) {
    case EncoderFamily::vaapi: return {"-vaapi_device", device};
    case EncoderFamily::qsv:
      return {"-init_hw_device", "qsv=hw:hw,child_device=" + device, "-filter_hw_device", "hw"};
    default: return {};
  }
}

std::string upload_filter(const EncoderSpec& spec) {
  switch (spec.family) {
    case EncoderFamily::vaapi: return "format=nv12,hwupload";
    case EncoderFamily::qsv: return "format=nv12,hwupload=extra_hw_frames=64";
    default: return "";
  }
}

std::vector<std::string> video_args(const EncoderSpec& spec, const VideoSettings& s) {
  const std::string v = ":v" + (s.stream.empty() ? "" : ":" + s.stream);
  std::vector<std::string> out = {"-c" + v, spec.name};
  const auto add = [&](const std::string& option, const std::string& value) {
    out.push_back(option);
    out.push_back(value);
  };
  const int rank = preset_rank(s.preset);
  const double q = s.quality.value_or(23);
  const bool by_rate = !s.bitrate.empty();
  if (by_rate) {
    add("-b" + v, s.bitrate);
    if (!s.maxrate.empty()) add("-maxrate" + v, s.maxrate);
    if (!s.bufsize.empty()) add("-bufsize" + v, s.bufsize);
  }
  switch (spec.family) {
    case EncoderFamily::x264:
    case EncoderFamily::x265:
      if (!s.preset.empty()) add("-preset" + v, s.preset);
      if (!by_rate) add("-crf" + v, whole(q));
      add("-pix_fmt" + v, "yuv420p");
      break;
    case EncoderFamily::svtav1: {
      // Presets 0 (slowest) to 12; qualities 1 to 63.
      constexpr int kPreset[] = {12, 11, 10, 9, 8, 7, 5, 4, 3};
      add("-preset" + v, std::to_string(s.preset.empty() ? 8 : kPreset[rank]));
      if (!by_rate) add("-crf" + v, whole(std::clamp(q * 63 / 51 + 5, 1.0, 63.0)));
      add("-pix_fmt" + v, "yuv420p");
      break;
    }
    case EncoderFamily::vpx9: {
      constexpr int kSpeed[] = {8, 7, 6, 5, 4, 3, 2, 1, 0};
      add("-deadline" + v, rank < 2 && !s.preset.empty() ? "realtime" : "good");
      add("-cpu-used" + v, std::to_string(s.preset.empty() ? 4
                                          : rank < 2       ? kSpeed[rank]
                                                           : std::min(kSpeed[rank], 5)));
      add("-row-mt" + v, "1");
      if (!by_rate) {
        add("-crf" + v, whole(std::clamp(q * 63 / 51 + 3, 0.0, 63.0)));
        add("-b" + v, "0");
      }
      add("-pix_fmt" + v, "yuv420p");
      break;
    }
    case EncoderFamily::nvenc: {
      constexpr int kPreset[] = {1, 1, 2, 3, 3, 4, 5, 6, 7};
      add("-preset" + v, "p" + std::to_string(s.preset.empty() ? 4 : kPreset[rank]));
      add("-rc" + v, "vbr");
      if (!by_rate) {
        add("-cq" + v, whole(q));
        add("-b" + v, "0");
      }
      break;
    }
    case EncoderFamily::vaapi:
      if (!by_rate) add("-qp" + v, whole(q));
      break;
    case EncoderFamily::qsv: {
      constexpr const char* kPreset[] = {"veryfast", "veryfast", "veryfast", "faster",  "fast",
                                         "medium",   "slow",     "slower",   "veryslow"};
      if (!s.preset.empty()) add("-preset" + v, kPreset[rank]);
      if (!by_rate) add("-global_quality" + v, whole(q));
      break;
    }
    case EncoderFamily::v4l2:
      if (!by_rate) add("-b" + v, "4M");  // it has no quality of its own
      add("-pix_fmt" + v, "yuv420p");
      break;
    case EncoderFamily::audio: break;
  }
  if (s.gop) {
    const std::string g = std::to_string(*s.gop);
    add("-g" + v, g);
    if (spec.family == EncoderFamily::x264) {
      add("-keyint_min" + v, g);
      add("-sc_threshold" + v, "0");
    } else if (spec.family == EncoderFamily::x265) {
      add("-x265-params" + v, "log-level=error:keyint=" + g + ":min-keyint=" + g + ":scenecut=0:open-gop=0");
    } else if (spec.family == EncoderFamily::vpx9) {
      add("-keyint_min" + v, g);
    } else if (spec.family == EncoderFamily::nvenc) {
      add("-no-scenecut" + v, "1");
      add("-forced-idr" + v, "1");
    }
  } else if (spec.family == EncoderFamily::x265) {
    add("-x265-params" + v, "log-level=error");
  }
  if (std::string_view(spec.codec) == "h265" && s.mp4) add("-tag" + v, "hvc1");
  return out;
}

EncoderFinding try_encoder(const EncoderSpec& spec, const std::string& device) {
  EncoderFinding found{spec.name, spec.codec, spec.accel, device, false, ""};
  std::vector<std::string> argv = {"ffmpeg", "-nostdin", "-hide_banner", "-v", "error"};
  const auto add = [&](const std::vector<std::string>& more) {
    argv.insert(argv.end(), more.begin(), more.end());
  };
  if (spec.family == EncoderFamily::audio) {
    add({"-f", "lavfi", "-i", "sine=frequency=440:duration=0.2", "-c:a", spec.name});
  } else {
    add(device_args(spec, device));
    add({"-f", "lavfi", "-i", "testsrc2=size=256x256:rate=25:duration=0.2"});
    if (const std::string upload = upload_filter(spec); !upload.empty()) add({"-vf", upload});
    VideoSettings settings;
    settings.quality = 30;
    if (spec.family != EncoderFamily::vaapi) settings.preset = "ultrafast";
    add(video_args(spec, settings));
    if (spec.family == EncoderFamily::nvenc && device.starts_with("/dev/nvidia"))
      add({"-gpu", device.substr(std::string_view("/dev/nvidia").size())});
  }
  add({"-f", "null", "-"});
  const auto told = capture(argv, std::chrono::seconds(30));
  if (!told)
    found.why = told.error().message();
  else if (told->timed_out)
    found.why = "a tiny encode took more than 30 s";
  else if (told->ok())
    found.works = true;
  else
    // The first line names the cause; the later ones only that nothing came of it.
    found.why = std::string(trim(std::string_view(told->err).substr(0, told->err.find('\n'))));
  return found;
}

EncoderBook::EncoderBook() {
  found_.fingerprint = encoder_fingerprint();
  const std::string folder = cache_path();
  if (folder.empty()) return;
  path_ = folder + "/encoders.json";
  const auto text = read_file(path_);
  const auto json = text ? parse_json(*text, path_) : bad_input("", "");
  if (!json || text_or(*json, "fingerprint") != found_.fingerprint) return;
  found_.ffmpeg_version = text_or(*json, "ffmpeg");
  const Json& list = at_or_null(*json, "encoders");
  if (!list.is_array()) return;
  for (const Json& item : list) {
    const EncoderSpec* spec = encoder_named(text_or(item, "name"));
    const Json& works = at_or_null(item, "works");
    if (spec && works.is_boolean())
      found_.encoders.push_back({spec->name, spec->codec, spec->accel, text_or(item, "device"),
                                 works.get<bool>(), text_or(item, "why")});
  }
}

void EncoderBook::save() const {
  if (path_.empty()) return;
  const std::string folder = path_.substr(0, path_.rfind('/'));
  if (!make_dirs(folder, 0700)) return;
  Json json = to_json(found_);
  json["fingerprint"] = found_.fingerprint;
  if (const auto dir = open_dir(AT_FDCWD, folder))
    (void)write_atomic(dir->get(), "encoders.json", dump_json(json, 1) + "\n");
}

EncoderFinding EncoderBook::look_up(const EncoderSpec& spec, const std::string& device) {
  for (const auto& found : found_.encoders)
    if (found.name == spec.name && found.device == device) return found;
  if (found_.ffmpeg_version.empty()) found_.ffmpeg_version = version_of_ffmpeg();
  found_.encoders.push_back(try_encoder(spec, device));
  save();
  return found_.encoders.back();
}

Capabilities EncoderBook::all() {
  for (const auto& spec : known_encoders()) {
    const auto devices = devices_of(spec.accel);
    for (const auto& device : devices) (void)look_up(spec, device);
  }
  return found_;
}

Result<EncoderFinding> EncoderBook::choose(const std::string& codec, const std::string& accel,
                                           std::string* note) {
  std::vector<std::string> passed, codecs;
  for (const auto& spec : known_encoders()) {
    if (std::ranges::find(codecs, spec.codec) == codecs.end()) codecs.emplace_back(spec.codec);
    if (codec != spec.codec || (accel != "auto" && accel != spec.accel)) continue;
    const auto devices = devices_of(spec.accel);
    if (devices.empty() && accel != "auto") passed.push_back(std::string(spec.name) + " (no device for it)");
    for (const auto& device : devices) {
      const EncoderFinding found = look_up(spec, device);
      if (found.works) {
        if (note && !passed.empty()) *note = "passed over " + join(passed, ", ");
        return found;
      }
      passed.push_back(found.name + (device.empty() ? "" : " on " + device) + " (" + found.why + ")");
    }
  }
  if (std::ranges::find(codecs, codec) == codecs.end())
    return bad_input("no such codec:", codec, "there are " + join(codecs, ", "));
  return bad_input(
      "no encoder for " + codec + " works here" + (accel == "auto" ? "" : " with hwaccel " + accel) + ":",
      passed.empty() ? "none is known" : join(passed, ", "),
      accel == "auto" || accel == "none" ? "see ffrtmp capabilities" : "hwaccel=auto falls back to software");
}

Json to_json(const Capabilities& capabilities) {
  Json encoders = Json::array();
  for (const auto& found : capabilities.encoders)
    encoders.push_back({{"name", found.name},
                        {"codec", found.codec},
                        {"hwaccel", found.accel},
                        {"device", found.device.empty() ? Json(nullptr) : Json(found.device)},
                        {"works", found.works},
                        {"why", found.why.empty() ? Json(nullptr) : Json(found.why)}});
  return {{"schema", 1}, {"ffmpeg", capabilities.ffmpeg_version}, {"encoders", encoders}};
}

}  // namespace ffrtmp
