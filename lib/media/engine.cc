#include "media/engine.h"

#include <cmath>
#include <set>

#include "jobs/exit_meaning.h"
#include "media/info.h"
#include "media/location.h"
#include "media/progress.h"
#include "proc/capture.h"
#include "sys/text.h"
#include "sys/units.h"

namespace ffrtmp {

namespace {

class Ffmpeg final : public Engine {
 public:
  std::string_view name() const override { return "ffmpeg"; }
  std::vector<std::string> programs() const override { return {"ffmpeg", "ffprobe"}; }
  std::vector<std::string> command(const std::vector<std::string>& args,
                                   const std::string& progress) const override {
    std::vector<std::string> out = {"ffmpeg",   "-nostdin", "-hide_banner", "-loglevel", "error",
                                    "-nostats", "-y"};
    if (!progress.empty()) out.insert(out.end(), {"-progress", "file:" + progress, "-stats_period", "0.5"});
    out.insert(out.end(), args.begin(), args.end());
    return out;
  }
  std::vector<std::string> input(const std::string& location,
                                 const std::vector<std::string>& before) const override {
    const std::string where = ffmpeg_location(location);
    std::vector<std::string> out = whitelist_args(where);
    out.insert(out.end(), before.begin(), before.end());
    out.insert(out.end(), {"-i", where});
    return out;
  }
  Result<std::vector<std::string>> video_encoder(const EncoderFinding& encoder,
                                                 const VideoSettings& settings) const override {
    const EncoderSpec* spec = encoder_named(encoder.name);
    if (!spec) return bad_input("no such encoder:", encoder.name);
    return video_args(*spec, settings);
  }
  Result<std::vector<std::string>> audio_encoder(const std::string& codec,
                                                 const std::string& bitrate) const override {
    for (const auto& spec : known_encoders())
      if (codec == spec.codec && spec.family == EncoderFamily::audio) {
        std::vector<std::string> out = {"-c:a", spec.name};
        if (!bitrate.empty() && codec != "flac" && codec != "pcm") out.insert(out.end(), {"-b:a", bitrate});
        if (codec == "opus") out.insert(out.end(), {"-ar", "48000"});  // Opus knows no 44100
        return out;
      }
    return bad_input("no such audio codec:", codec, "there are aac, opus, mp3, flac, pcm");
  }
  std::optional<MediaProgress> progress(std::string_view told) const override { return parse_progress(told); }
  bool has_progress_file() const override { return true; }
  std::string exit_meaning(int code) const override { return ffrtmp::exit_meaning("ffmpeg", code); }
  bool clean_stop(int code) const override { return is_clean_stop("ffmpeg", code); }
};

/// "2M" as kilobits.
Result<std::string> kilobits(const std::string& text) {
  const bool kilo = text.ends_with("k") || text.ends_with("K"), mega = text.ends_with("M");
  const auto number = parse_u64(std::string_view(text).substr(0, text.size() - (kilo || mega ? 1 : 0)));
  if (!number) return bad_input("not a bit rate:", text, "give it as 800k or 2M");
  return std::to_string(mega ? *number * 1000 : kilo ? *number : *number / 1000);
}

/// All elements of this host, from gst-inspect-1.0's list: "plugin:  element: what it is". Empty when it
/// fails.
std::set<std::string, std::less<>> gst_elements() {
  std::set<std::string, std::less<>> out;
  const auto told = capture({"gst-inspect-1.0"}, std::chrono::seconds(60));
  if (!told || !told->ok()) return out;
  for (const auto line : lines(told->out)) {
    const auto fields = split(line, ':');
    if (fields.size() > 2) out.emplace(trim(fields[1]));
  }
  return out;
}

/// In a pipeline an element stands alone: properties have a "=", caps a "/", references and numbers a ".".
bool names_element(std::string_view word) {
  return !word.empty() && word[0] >= 'a' && word[0] <= 'z' &&
         word.find_first_not_of("abcdefghijklmnopqrstuvwxyz0123456789_-") == std::string_view::npos;
}

class Gstreamer final : public Engine {
 public:
  std::string_view name() const override { return "gstreamer"; }
  std::vector<std::string> programs() const override { return {"gst-launch-1.0"}; }
  std::vector<std::string> command(const std::vector<std::string>& args, const std::string&) const override {
    // -e: SIGINT becomes an end of stream, so that muxers write their trailers.
    std::vector<std::string> out = {"gst-launch-1.0", "-e", "-q"};
    out.insert(out.end(), args.begin(), args.end());
    return out;
  }
  std::vector<std::string> missing(const std::vector<std::string>& args) const override {
    std::set<std::string> out;
    const auto here = gst_elements();
    for (const auto& word : args)
      if (!here.empty() && names_element(word) && !here.contains(word)) out.insert(word);
    return {out.begin(), out.end()};
  }
  std::vector<std::string> input(const std::string& location,
                                 const std::vector<std::string>&) const override {
    return {"filesrc", "location=" + gst_quote(location)};
  }
  Result<std::vector<std::string>> video_encoder(const EncoderFinding& encoder,
                                                 const VideoSettings& s) const override {
    std::string rate;
    if (!s.bitrate.empty()) {
      TRY(rate, kilobits(s.bitrate));
    }
    const std::string quality = std::to_string(std::lround(s.quality.value_or(23)));
    if (encoder.codec == "h264") {
      std::vector<std::string> out = {"x264enc", "speed-preset=" + (s.preset.empty() ? "medium" : s.preset)};
      if (rate.empty())
        out.insert(out.end(), {"pass=qual", "quantizer=" + quality});
      else
        out.push_back("bitrate=" + rate);
      if (s.gop) out.push_back("key-int-max=" + std::to_string(*s.gop));
      // No parser behind it: that is in plugins-bad, and muxers take what x264enc negotiates.
      return out;
    }
    if (encoder.codec == "vp9") {
      std::vector<std::string> out = {"vp9enc", "deadline=1", "cpu-used=5", "row-mt=true"};
      if (rate.empty())
        out.insert(out.end(), {"end-usage=cq", "cq-level=" + quality});
      else
        out.push_back("target-bitrate=" + rate + "000");
      return out;
    }
    return bad_input("the engine gstreamer does not make", encoder.codec,
                     "it makes h264 and vp9; engine=ffmpeg makes the rest");
  }
  Result<std::vector<std::string>> audio_encoder(const std::string& codec,
                                                 const std::string& bitrate) const override {
    std::string rate;
    if (!bitrate.empty()) {
      TRY(rate, kilobits(bitrate));
      rate += "000";
    }
    const auto with = [&](const char* element) {
      std::vector<std::string> out = {element};
      if (!rate.empty()) out.push_back("bitrate=" + rate);
      return out;
    };
    if (codec == "aac") {
      auto out = with("avenc_aac");
      out.insert(out.end(), {"!", "aacparse"});
      return out;
    }
    if (codec == "opus") return with("opusenc");
    return bad_input("the engine gstreamer does not make", codec,
                     "it makes aac and opus; engine=ffmpeg makes the rest");
  }
  std::optional<MediaProgress> progress(std::string_view told) const override {
    return parse_gst_progress(told);
  }
  bool has_progress_file() const override { return false; }
  std::string exit_meaning(int code) const override { return ffrtmp::exit_meaning("gst-launch-1.0", code); }
  bool clean_stop(int) const override { return false; }  // it says 0 after an end of stream, asked for or not
};

class Command final : public Engine {
 public:
  std::string_view name() const override { return "command"; }
  std::vector<std::string> programs() const override { return {}; }
  std::vector<std::string> command(const std::vector<std::string>& args, const std::string&) const override {
    return args;
  }
  std::vector<std::string> input(const std::string& location,
                                 const std::vector<std::string>& before) const override {
    std::vector<std::string> out = before;
    out.push_back(plain_path(location));
    return out;
  }
  Result<std::vector<std::string>> video_encoder(const EncoderFinding& encoder,
                                                 const VideoSettings&) const override {
    return bad_input("a plain command has no video encoder:", encoder.name);
  }
  Result<std::vector<std::string>> audio_encoder(const std::string& codec,
                                                 const std::string&) const override {
    return bad_input("a plain command has no audio encoder:", codec);
  }
  std::optional<MediaProgress> progress(std::string_view) const override { return std::nullopt; }
  bool has_progress_file() const override { return false; }
  std::string exit_meaning(int) const override { return ""; }
  bool clean_stop(int) const override { return false; }
};

}  // namespace

const Engine& ffmpeg_engine() {
  static const Ffmpeg engine;
  return engine;
}
const Engine& gstreamer_engine() {
  static const Gstreamer engine;
  return engine;
}
const Engine& command_engine() {
  static const Command engine;
  return engine;
}
const Engine* engine_named(std::string_view name) {
  for (const Engine* engine : {&ffmpeg_engine(), &gstreamer_engine(), &command_engine()})
    if (engine->name() == name) return engine;
  return nullptr;
}

}  // namespace ffrtmp
