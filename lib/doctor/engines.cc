#include <algorithm>

#include "doctor/doctor.h"
#include "media/encoders.h"
#include "proc/capture.h"
#include "sys/text.h"

namespace ffrtmp {

namespace {

using namespace std::chrono_literals;

constexpr auto kPatience = 60s;

std::string first_line(const std::vector<std::string>& argv) {
  const auto told = capture(argv, kPatience);
  if (!told || !told->ok()) return "";
  return std::string(trim(std::string_view(told->out).substr(0, told->out.find('\n'))));
}

/// "version 5.1.6-0+deb12u1" of "ffmpeg version 5.1.6-0+deb12u1 Copyright (c) …".
std::string version_of(const std::string& line) {
  const size_t begin = line.find("version ");
  const std::string from = begin == std::string::npos ? line : line.substr(begin);
  return from.substr(0, from.find(" Copyright"));
}

/// GStreamer's encoders that pipelines usually name; those that are not installed are passed over.
constexpr const char* kElements[] = {"x264enc",      "x265enc",    "openh264enc", "vp8enc",    "vp9enc",
                                     "svtav1enc",    "av1enc",     "nvh264enc",   "nvh265enc", "vah264enc",
                                     "vaapih264enc", "qsvh264enc", "v4l2h264enc"};

void add_encoders(const std::string& subject, const std::vector<std::string>& works,
                  const std::vector<std::string>& fails, std::vector<Fact>& out) {
  if (works.empty())
    out.push_back({subject, Health::bad, "no encoder works", {}});
  else
    out.push_back({subject, Health::good, "tried and working: " + join(works, ", "), {}});
  for (const auto& failure : fails) out.push_back({subject, Health::lesser, failure, {}});
}

void try_ffmpeg(std::vector<Fact>& out) {
  std::vector<std::string> works, absent, fails;
  for (const auto& spec : known_encoders())
    for (const auto& device : devices_of(spec.accel)) {
      const EncoderFinding found = try_encoder(spec, device);
      const std::string name = found.name + (device.empty() ? "" : " on " + device);
      if (found.works)
        works.push_back(name);
      else if (found.why.contains("Unknown encoder") || found.why.contains("not in this"))
        absent.push_back(name);
      else
        fails.push_back(name + " does not work: " + found.why);
    }
  if (!absent.empty()) fails.push_back("not in this FFmpeg: " + join(absent, ", "));
  add_encoders("encoders", works, fails, out);
}

void try_gstreamer(std::vector<Fact>& out) {
  std::vector<std::string> works, fails;
  for (const std::string name : kElements) {
    const auto there = capture({"gst-inspect-1.0", "--exists", name}, kPatience);
    if (!there || !there->ok()) continue;
    const auto tried =
        capture({"gst-launch-1.0", "-q", "videotestsrc", "num-buffers=5", "!",
                 "video/x-raw,width=256,height=256", "!", "videoconvert", "!", name, "!", "fakesink"},
                kPatience);
    if (tried && tried->ok())
      works.push_back(name);
    else
      fails.push_back(name + " does not work: " + (tried ? tried->complaint() : tried.error().message()));
  }
  if (works.empty() && fails.empty())
    out.push_back({"elements",
                   Health::lesser,
                   "no video encoder of GStreamer's is installed",
                   {"sudo apt-get install -y gstreamer1.0-plugins-ugly gstreamer1.0-plugins-good"}});
  else
    add_encoders("elements", works, fails, out);
}

}  // namespace

std::vector<Fact> engine_facts(bool encoders) {
  std::vector<Fact> out;
  const std::string ffmpeg = first_line({"ffmpeg", "-version"});
  if (ffmpeg.empty())
    out.push_back({"ffmpeg",
                   Health::bad,
                   "not found on the PATH, or it does not start",
                   {"sudo apt-get install -y ffmpeg"}});
  else
    out.push_back({"ffmpeg", Health::good, version_of(ffmpeg), {}});
  if (!ffmpeg.empty() && first_line({"ffprobe", "-version"}).empty())
    out.push_back({"ffprobe",
                   Health::bad,
                   "not found: declared jobs cannot verify what they make",
                   {"sudo apt-get install -y ffmpeg"}});
  if (!ffmpeg.empty() && encoders) try_ffmpeg(out);
  const std::string gstreamer = first_line({"gst-launch-1.0", "--version"});
  if (gstreamer.empty())
    out.push_back({"gstreamer",
                   Health::lesser,
                   "not installed: only jobs that need it are without",
                   {"sudo apt-get install -y gstreamer1.0-tools gstreamer1.0-plugins-good"}});
  else
    out.push_back({"gstreamer", Health::good, version_of(gstreamer), {}});
  if (!gstreamer.empty() && encoders) try_gstreamer(out);
  return out;
}

}  // namespace ffrtmp
