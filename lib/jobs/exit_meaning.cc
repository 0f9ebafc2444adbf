#include "jobs/exit_meaning.h"

#include <cerrno>
#include <cstring>

#include "sys/exit_code.h"

namespace ffrtmp {

namespace {

constexpr int kFfmpegStopped = 255;      // SIGINT, SIGTERM or 'q' under way: the trailer was written
constexpr int kFfmpegAbrupt = 123;       // more than three signals: it left without finishing its files
constexpr int kFfmpegInvalidData = 183;  // AVERROR_INVALIDDATA & 0xff, 6.1 and later

std::string ffmpeg_meaning(int code) {
  if (code == 0) return "ffmpeg finished";
  if (code == 1)
    return "ffmpeg failed; its last lines say why (a wrong option, a missing or broken input, a refused "
           "output)";
  if (code == kFfmpegStopped) return "ffmpeg was told to stop and finished its files";
  if (code == kFfmpegAbrupt)
    return "ffmpeg got more than three signals and left abruptly; its output may be cut";
  if (code == kFfmpegInvalidData) return "ffmpeg found invalid data in its input";
  // Since 6.1 ffmpeg passes on a negative errno in eight bits.
  if (code > 128 && code < 255)
    if (const char* text = strerrordesc_np(256 - code)) return std::string("ffmpeg failed: ") + text;
  return "";
}

std::string gstreamer_meaning(int code) {
  if (code == 0) return "gst-launch ended without an error (not a proof that its file is finished)";
  if (code == 1) return "gst-launch could not build or start the pipeline";
  if (code == 255) return "gst-launch's pipeline reported an error";
  return "";
}

}  // namespace

std::string program_name(const std::string& path) { return path.substr(path.rfind('/') + 1); }
bool is_ffmpeg(const std::string& program) {
  const std::string name = program_name(program);
  return name == "ffmpeg" || name.starts_with("ffmpeg-") || name.starts_with("ffmpeg.");
}
bool is_gstreamer(const std::string& program) { return program_name(program).starts_with("gst-launch-"); }

std::string exit_meaning(const std::string& program, int code) {
  if (is_ffmpeg(program)) return ffmpeg_meaning(code);
  if (is_gstreamer(program)) return gstreamer_meaning(code);
  if (code > kSignalBase && code < kSignalBase + 65)
    if (const char* name = sigabbrev_np(code - kSignalBase))
      return std::string("the code shells give for a child that died by SIG") + name;
  return "";
}

bool is_clean_stop(const std::string& program, int code) {
  return is_ffmpeg(program) && code == kFfmpegStopped;
}

}  // namespace ffrtmp
