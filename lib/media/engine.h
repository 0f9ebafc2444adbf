#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "jobs/media.h"
#include "media/encoders.h"
#include "sys/result.h"

namespace ffrtmp {

/// What runs a step: how its command line begins, how it is told where to read, how it encodes, how its
/// progress and its exit codes are read, how it is stopped. Objects are immutable and live for ever.
class Engine {
 public:
  virtual ~Engine() = default;
  virtual std::string_view name() const = 0;
  /// The programs it needs on the PATH.
  virtual std::vector<std::string> programs() const = 0;
  /// The whole command from the step's arguments. `progress` is the file it may tell its progress to; "" for
  /// none.
  virtual std::vector<std::string> command(const std::vector<std::string>& args,
                                           const std::string& progress) const = 0;
  /// What the arguments name and this host does not have (elements of GStreamer), sorted. Nothing where the
  /// engine itself says so before it begins, or where it cannot be told.
  virtual std::vector<std::string> missing(const std::vector<std::string>&) const { return {}; }
  /// How it is given something to read, with the options that go before it.
  virtual std::vector<std::string> input(const std::string& location,
                                         const std::vector<std::string>& before) const = 0;
  virtual Result<std::vector<std::string>> video_encoder(const EncoderFinding& encoder,
                                                         const VideoSettings& settings) const = 0;
  virtual Result<std::vector<std::string>> audio_encoder(const std::string& codec,
                                                         const std::string& bitrate) const = 0;
  /// Its last progress from the end of what it told: its progress file, or its standard output.
  virtual std::optional<MediaProgress> progress(std::string_view told) const = 0;
  /// True when progress comes from a file of its own (FFmpeg); false when from standard output.
  virtual bool has_progress_file() const = 0;
  virtual std::string exit_meaning(int code) const = 0;
  /// True for the code of an end that was asked for, with files finished.
  virtual bool clean_stop(int code) const = 0;
};

const Engine& ffmpeg_engine();
const Engine& gstreamer_engine();
/// Any other program.
const Engine& command_engine();
/// nullptr when there is no engine of that name ("ffmpeg", "gstreamer", "command").
const Engine* engine_named(std::string_view name);

}  // namespace ffrtmp
