#include "media/encoders.h"
#include "media/engine.h"
#include "print.h"
#include "proc/capture.h"
#include "sys/text.h"
#include "verb.h"

namespace ffrtmp {

namespace {

/// The first line that a program prints about itself, or why it cannot be asked.
std::string version_of(const std::vector<std::string>& argv) {
  const auto told = capture(argv, std::chrono::seconds(30));
  if (!told) return "";
  const std::string& text = told->out;
  return std::string(trim(std::string_view(text).substr(0, text.find('\n'))));
}

bool has_filter(const std::string& name) {
  const auto told = capture({"ffmpeg", "-hide_banner", "-h", "filter=" + name}, std::chrono::seconds(30));
  return told && told->ok() && told->out.starts_with("Filter ");
}

Result<int> capabilities_verb(const Arguments& arguments) {
  if (!arguments.positionals.empty())
    return bad_input("ffrtmp capabilities takes no argument:", arguments.positionals[0]);
  EncoderBook book;
  if (arguments.has("fresh")) book.forget();
  const Capabilities found = book.all();
  struct Tool {
    const char* name;
    std::vector<std::string> argv;
  };
  const std::vector<Tool> tools = {{"ffmpeg", {"ffmpeg", "-version"}},
                                   {"ffprobe", {"ffprobe", "-version"}},
                                   {"gst-launch-1.0", {"gst-launch-1.0", "--version"}},
                                   {"exiftool", {"exiftool", "-ver"}},
                                   {"dcraw_emu", {"dcraw_emu"}},
                                   {"sha256sum", {"sha256sum", "--version"}}};
  std::vector<std::pair<std::string, std::string>> versions;
  for (const auto& tool : tools) versions.emplace_back(tool.name, version_of(tool.argv));
  const std::vector<std::string> filters = {"libvmaf", "psnr", "ssim", "loudnorm", "drawtext"};
  std::vector<std::pair<std::string, bool>> has;
  for (const auto& filter : filters) has.emplace_back(filter, has_filter(filter));
  if (arguments.has("json")) {
    Json out = to_json(found);
    for (const auto& [name, version] : versions)
      out["tools"][name] = version.empty() ? Json(nullptr) : Json(version);
    for (const auto& [name, there] : has) out["filters"][name] = there;
    return print_out(dump_json(out, 1) + "\n");
  }
  std::vector<std::vector<std::string>> rows{{"ENCODER", "CODEC", "HWACCEL", "DEVICE", "WORKS", "WHY NOT"}};
  for (const auto& encoder : found.encoders)
    rows.push_back({encoder.name, encoder.codec, encoder.accel, encoder.device.empty() ? "-" : encoder.device,
                    encoder.works ? "yes" : "no", encoder.why});
  std::string out = table(rows) + "\n";
  for (const char* accel : {"nvenc", "vaapi", "qsv", "v4l2"})
    if (devices_of(accel).empty()) out += std::string(accel) + ": no device on this host\n";
  out += "\n";
  std::vector<std::vector<std::string>> lines;
  for (const auto& [name, version] : versions)
    lines.push_back({name, version.empty() ? "not installed" : version});
  for (const auto& [name, there] : has)
    lines.push_back({"filter " + name, there ? "yes" : "not in this FFmpeg"});
  return print_out(out + table(lines));
}

}  // namespace

const Verb kCapabilitiesVerb = {
    "capabilities",
    "[--json]",
    "Show which encoders and tools really work on this host.",
    {{"json", 0, nullptr, "for machines"},
     {"fresh", 0, nullptr, "try every encoder again, whatever is remembered"}},
    "Each encoder is tried by a real encode of a few frames on each device; what was found is\n"
    "remembered until FFmpeg, the kernel, a driver or a device changes.\n",
    capabilities_verb,
};

}  // namespace ffrtmp
