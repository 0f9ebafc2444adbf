#pragma once

#include <string>

#include "sys/json.h"

namespace ffrtmp {

/// How closely an output is looked at. quick: the container, its streams and duration, and what decodes in
/// the first and the last two seconds. full: every frame is decoded. none: that it is there and not empty.
enum class VerifyLevel { none, quick, full };

/// What came of looking at one output.
struct VerifyOutcome {
  bool ok = true;
  std::string reason;  ///< why not, in one clause
  std::string looked;  ///< what was looked at, for the report: never more than was done
  Json probe;          ///< a summary for the manifest; null where there is none
  double duration_s = 0;
};

/// Holds an output to what is expected of it. `kind` is media, images, hls, dash, json, webvtt or any; `path`
/// a file, for images also FOLDER/*.ext. Expectations: video, audio (numbers of streams, or true/false),
/// video_codec, audio_codec, width, height, fps, duration, tolerance (seconds), renditions, count, cues.
VerifyOutcome verify_output(const std::string& kind, const std::string& path, const Json& expect,
                            VerifyLevel level);

}  // namespace ffrtmp
