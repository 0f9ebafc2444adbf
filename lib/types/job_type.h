#pragma once

#include <map>
#include <optional>
#include <string>
#include <vector>

#include "cgroup/limit.h"
#include "sys/json.h"
#include "sys/result.h"
#include "sys/source_place.h"
#include "sys/units.h"

namespace ffrtmp {

enum class ParameterKind { string, integer, number, boolean, duration, size, rational, choice, list };
std::string_view parameter_kind_name(ParameterKind kind);

struct ParameterSpec {
  std::string name;
  ParameterKind kind = ParameterKind::string;
  ParameterKind items = ParameterKind::string;  ///< of a list
  bool required = false;
  bool rest = false;    ///< a list that takes all that follows "--"
  bool secret = false;  ///< never shown
  Json default_value;   ///< null for none; a string with ${ } is a template
  std::optional<double> least, most;
  std::string pattern;  ///< for strings: the whole value must match (ECMAScript)
  std::vector<std::string> choices;
  std::string help;
};

struct InputSpec {
  std::string name;
  std::vector<std::string> schemes;  ///< addresses that are allowed; empty: files only
  bool file = true;                  ///< a local file is allowed
  bool folder = false;               ///< it is a folder
  bool many = false;                 ///< takes all that are left
  bool required = true;
  bool probe = true;  ///< ask ffprobe before anything is started
  bool media = true;  ///< it must be media; false takes any file
  std::string needs;  ///< "video", "audio" or "": a stream it must have
  std::string help;
};

struct OutputSpec {
  enum class Kind { file, folder, url, text };
  std::string name;
  Kind kind = Kind::file;
  bool file_too = false;                ///< for url: a file will do as well
  std::vector<std::string> schemes;     ///< for url
  std::vector<std::string> extensions;  ///< for file: those allowed; empty for any
  std::string default_path;             ///< a template; "" for none
  bool required = true;
  std::string help;
};

/// One item of an argv template.
struct ArgSpec {
  enum class Kind { text, group, input, video_encoder, audio_encoder };
  Kind kind = Kind::text;
  SourcePlace place;
  std::string text;                           ///< text: a template; input: what to read
  std::string condition;                      ///< "" for always
  std::string each, as = "item";              ///< a list to repeat over, and the name of an item
  std::vector<ArgSpec> args, otherwise;       ///< group: what it holds; with a condition: what instead
  std::map<std::string, std::string> fields;  ///< encoders: codec, quality, bitrate, …: templates
};

struct StepSpec {
  std::string name;
  std::string engine;   ///< "ffmpeg", "gstreamer", "command"; "" for a builtin
  std::string builtin;  ///< one of builtin_names()
  std::string condition, each, as = "item";
  std::string unless;  ///< a template of a path: skipped when that file is there and not empty, looked at
                       ///< when its turn comes
  bool parallel = false, may_fail = false;
  std::vector<ArgSpec> args;
  std::string out;    ///< a template of the file its stdout goes to; "" leaves it
  std::string total;  ///< a template: seconds of media that are the whole
  std::string pattern;
  SourcePlace place;
};

/// What must hold of an output. All values are templates; empty ones are not asked.
struct VerifySpec {
  std::string path, kind;  ///< kind: media, images, hls, dash, json, webvtt, any
  std::string condition, each, as = "item";
  std::map<std::string, std::string> expect;  ///< video, audio, video_codec, …: see verify.h
  SourcePlace place;
};

enum class RestartPolicy { no, on_failure, always };

struct LiveSpec {
  bool live = false;
  RestartPolicy restart = RestartPolicy::no;
  std::string restart_template;  ///< instead, where it depends on the parameters
  Duration backoff = std::chrono::seconds(1), longest_backoff = std::chrono::seconds(60);
  unsigned most = 0;  ///< restarts; 0 is no bound
  std::optional<Duration> stall;
  bool restart_on_stall = false;
  /// Segments: the list that FFmpeg's segment muxer writes (a template); each that is on it is whole and
  /// moves to the output folder. Older than `keep_age` seconds, or beyond `keep_bytes` in sum, they are
  /// removed. Templates.
  std::string segment_list, keep_age, keep_bytes;
};

/// A declared job: the whole file, checked.
struct JobType {
  std::string name, summary, source;
  std::string description;
  int64_t version = 1;
  std::vector<std::string>
      engines;  ///< offered for engine=…, the preferred one first; empty when there is no choice
  std::vector<ParameterSpec> parameters;
  std::vector<InputSpec> inputs;
  std::vector<OutputSpec> outputs;
  std::vector<std::pair<std::string, std::string>>
      values;  ///< [let]: names and templates, in the order of the file
  std::vector<StepSpec> steps;
  std::vector<VerifySpec> verify;
  std::string verify_level = "quick";  ///< quick, full, none
  std::vector<std::string> tools, encoders, capabilities;
  /// Requirements that a template decides: {condition, what must hold, what to tell}.
  struct Check {
    std::string condition, message;
    SourcePlace place;
  };
  std::vector<Check> checks;
  std::string profile;  ///< of limits; "" for none
  std::vector<Limit> limits;
  std::optional<Duration> timeout;
  LiveSpec live;
  bool on_agents = true;  ///< false: agents run it only when their configuration allows it

  const ParameterSpec* parameter(std::string_view parameter_name) const;
};

/// Reads a type's file. Strict: an unknown key, a wrong kind, a template that cannot be read or names what is
/// not there is an error with file, line and column.
Result<JobType> parse_job_type(const std::string& text, const std::string& source);

/// One parameter's value from text, checked; the error says what was given, what was expected and the range.
/// In a scope durations are seconds, sizes bytes, rationals text.
Result<Json> parse_parameter(const ParameterSpec& spec, const std::string& text);
/// "number from 0 to 51", "one of h264, h265", …
std::string expectation(const ParameterSpec& spec);

/// A type that could not be read, beside those that could.
struct FoundTypes {
  std::vector<JobType> types;
  std::vector<Error> broken;
};
/// Every type there is: those that came with ffrtmp (beside the binary in a build tree, else PREFIX/share),
/// then /etc/ffrtmp/types, then ~/.config/ffrtmp/types; of two with a name the later one counts.
FoundTypes load_job_types();
Result<JobType> find_job_type(const std::string& name);
std::vector<std::string> job_type_folders();

}  // namespace ffrtmp
