#pragma once

#include <optional>
#include <string>
#include <vector>

#include "sys/json.h"
#include "sys/result.h"

namespace ffrtmp {

/// How an encoder is driven: each family has options of its own for quality, speed and where frames live.
enum class EncoderFamily { x264, x265, svtav1, vpx9, nvenc, vaapi, qsv, v4l2, audio };

/// One encoder that FFmpeg may have, as its sources name it.
struct EncoderSpec {
  const char* name;   ///< "libx264"
  const char* codec;  ///< "h264": what a type asks for
  const char* accel;  ///< "none", "nvenc", "vaapi", "qsv", "v4l2"
  EncoderFamily family;
};
/// All that we know how to drive, the preferred one of a codec and acceleration first.
const std::vector<EncoderSpec>& known_encoders();
const EncoderSpec* encoder_named(std::string_view name);

/// What a real tiny encode on one device showed.
struct EncoderFinding {
  std::string name, codec, accel, device;  ///< device "" for software
  bool works = false;
  std::string why;  ///< why not, in FFmpeg's words
};

/// What there is on this host to encode with.
struct Capabilities {
  std::string fingerprint, ffmpeg_version;
  std::vector<EncoderFinding> encoders;
};

/// Devices that could carry an acceleration ("/dev/dri/renderD128"); {""} for "none".
std::vector<std::string> devices_of(std::string_view accel);

/// What findings depend on: another text after a change of FFmpeg, the kernel, its drivers or devices.
/// FFmpeg's libraries are of one Debian version with the program, so its file stands for them; drivers come
/// with the kernel, except NVIDIA's. A few system calls.
std::string encoder_fingerprint();

/// Encodes a few frames of 256x256 (NVENC refuses less) or a moment of tone with it.
EncoderFinding try_encoder(const EncoderSpec& spec, const std::string& device);

/// Remembers findings in $XDG_CACHE_HOME/ffrtmp/encoders.json (or ~/.cache, /var/cache for root); a cache
/// that cannot be read or written is done without. Not thread-safe.
class EncoderBook {
 public:
  EncoderBook();
  /// Everything known, tried now where it was not yet.
  Capabilities all();
  /// The encoder to use for a codec. `accel` is auto, none, nvenc, vaapi, qsv or v4l2. With auto hardware
  /// comes first; `note` says what was passed over and why. Errors: nothing of it works here, with the
  /// reasons.
  Result<EncoderFinding> choose(const std::string& codec, const std::string& accel, std::string* note);
  /// Tries everything again.
  void forget() { found_.encoders.clear(); }

 private:
  EncoderFinding look_up(const EncoderSpec& spec, const std::string& device);
  void save() const;
  Capabilities found_;
  std::string path_;
};

Json to_json(const Capabilities& capabilities);

/// What to ask of a video encoder. Quality is on x264's scale (0 best to 51), presets have x264's names; each
/// is translated to what the encoder really has.
struct VideoSettings {
  std::optional<double> quality;
  std::string bitrate, maxrate, bufsize;  ///< "2M", "800k"; "" for none
  std::string preset;                     ///< "" for the encoder's own
  std::optional<int64_t> gop;             ///< frames between keyframes, exactly
  std::string stream;                     ///< "" or an index such as "0" for several outputs
  bool mp4 = false;                       ///< HEVC in MP4 needs the tag hvc1 to be played by Apple's
};
/// "-c:v libx264 -preset …", in FFmpeg's words.
std::vector<std::string> video_args(const EncoderSpec& spec, const VideoSettings& settings);
/// Options before the first input that open the device; empty for software.
std::vector<std::string> device_args(const EncoderSpec& spec, const std::string& device);
/// What ends a filter chain so that its frames reach the encoder; "" for none.
std::string upload_filter(const EncoderSpec& spec);

const std::vector<std::string>& preset_names();

}  // namespace ffrtmp
