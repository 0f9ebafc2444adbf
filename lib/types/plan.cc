#include "types/plan.h"

#include <unistd.h>

#include <algorithm>
#include <cstdlib>

#include "media/engine.h"
#include "proc/capture.h"
#include "proc/spawn.h"
#include "sys/environment.h"
#include "sys/redact.h"
#include "sys/text.h"
#include "types/expr.h"
#include "types/io.h"

namespace ffrtmp {

namespace {

constexpr size_t kMostCommands = 100000;

bool found(const std::string& program) {
  return find_program(program, own_environment(), std::nullopt).has_value();
}

/// Adds the type's name to what went wrong in one of its templates.
template <class T>
Result<T> in_type(const JobType& type, SourcePlace place, Result<T> result) {
  if (result) return result;
  Error error = result.error();
  error.step =
      type.source + ":" + std::to_string(place.line) + ":" + std::to_string(place.column) + ": " + error.step;
  return std::unexpected(std::move(error));
}

class Planner {
 public:
  Planner(const JobType& type, const JobRequest& request, EncoderBook& encoders)
      : type_(type), request_(request), encoders_(encoders) {}

  Result<JobPlan> make() {
    plan_.type = type_.name;
    plan_.version = type_.version;
    plan_.verify = request_.verify.empty() ? type_.verify_level : request_.verify;
    if (plan_.verify != "quick" && plan_.verify != "full" && plan_.verify != "none")
      return bad_input("--verify:", "\"" + plan_.verify + "\"", "give quick, full or none");
    plan_.live = type_.live.live;
    scope_.encoder = [this](const std::string& codec) { return encoder(codec); };
    TRY_OK(given_parameters());
    TRY_OK(engine());
    TRY_OK(tools());
    TRY(Json inputs, look_at_inputs(type_, request_.inputs));
    scope_.names["inputs"] = Json::array();
    for (const auto& [name, value] : inputs.items()) {
      scope_.names[name] = value;
      for (const Json& one : value.is_array() ? value : Json::array({value})) {
        if (!one.is_object()) continue;
        scope_.names["inputs"].push_back(one);
        plan_.inputs.push_back(text_or(one, "path"));
      }
    }
    TRY_OK(outputs());
    TRY_OK(default_parameters());
    TRY_OK(values());
    TRY_OK(checks());
    for (const auto& spec : type_.steps) TRY_OK(step(spec));
    TRY_OK(elements());
    for (const auto& spec : type_.verify) TRY_OK(verify(spec));
    TRY_OK(live());
    for (const auto& spec : type_.parameters)
      plan_.parameters[spec.name] =
          spec.secret && !scope_.names[spec.name].is_null() ? Json("***") : scope_.names[spec.name];
    if (!type_.engines.empty()) plan_.parameters["engine"] = plan_.engine;
    if (!chosen_.empty()) {
      plan_.parameters["hwaccel"] = hwaccel_;
      plan_.parameters["encoders"] = chosen_;
    }
    return std::move(plan_);
  }

 private:
  Status given_parameters() {
    for (const auto& spec : type_.parameters) scope_.names[spec.name] = nullptr;
    std::vector<std::string> known = {"hwaccel"};
    if (!type_.engines.empty()) known.emplace_back("engine");
    for (const auto& spec : type_.parameters) known.push_back(spec.name);
    for (const auto& [key, value] : request_.parameters) {
      if (key == "hwaccel") {
        static const std::vector<std::string> accels = {"auto", "none", "nvenc", "vaapi", "qsv", "v4l2"};
        if (std::ranges::find(accels, value) == accels.end())
          return bad_input("parameter hwaccel:", "\"" + value + "\"",
                           "it takes one of " + join(accels, ", "));
        hwaccel_ = value;
        continue;
      }
      if (key == "engine" && !type_.engines.empty()) {
        engine_ = value;
        continue;
      }
      const ParameterSpec* spec = type_.parameter(key);
      if (!spec) {
        const auto near = nearest(key, known);
        return bad_input(type_.name + " has no parameter", "\"" + key + "\"",
                         near ? "did you mean " + *near + "?" : "there are " + join(known, ", "));
      }
      TRY(scope_.names[key], parse_parameter(*spec, value));
    }
    for (const auto& spec : type_.parameters) {
      if (!spec.rest || request_.rest.empty()) continue;
      Json words = Json::array();
      for (const auto& word : request_.rest) words.push_back(word);
      scope_.names[spec.name] = std::move(words);
    }
    return {};
  }

  Status engine() {
    scope_.names["hwaccel"] = hwaccel_;
    scope_.names["job"] = request_.job_id;
    if (type_.engines.empty()) {
      scope_.names["engine"] = nullptr;
      return {};
    }
    std::vector<std::string> missing;
    for (const auto& name : type_.engines) {
      if (engine_ != "auto" && engine_ != name) continue;
      bool all = true;
      for (const auto& program : engine_named(name)->programs())
        if (!found(program)) {
          all = false;
          missing.push_back(program);
        }
      if (!all) continue;
      plan_.engine = name;
      scope_.names["engine"] = name;
      return {};
    }
    if (missing.empty())
      return bad_input("parameter engine:", "\"" + engine_ + "\"",
                       type_.name + " takes auto, " + join(type_.engines, ", "));
    return bad_input("no engine for " + type_.name + ": not installed:", join(missing, ", "));
  }

  Status tools() {
    for (const auto& tool : type_.tools)
      if (!found(tool))
        return std::unexpected(Error{type_.name + " needs a program that is not here:", tool, 0, "install it",
                                     ExitCode::not_found});
    for (const auto& codec : type_.encoders) {
      auto chosen = encoder(codec);
      if (!chosen) return std::unexpected(chosen.error());
    }
    for (const auto& capability : type_.capabilities) {
      TRY(const bool there, has_capability(capability));
      if (!there) return bad_input(type_.name + " needs what this host does not have:", capability);
    }
    return {};
  }

  /// Said before anything runs, as of a program: gst-launch would say it in the midst of the job.
  Status elements() {
    for (const auto& step : plan_.steps) {
      const Engine* engine = engine_named(step.engine);
      std::vector<std::string> words;
      for (const auto& command : step.commands) words.insert(words.end(), command.begin(), command.end());
      const auto missing = engine ? engine->missing(words) : std::vector<std::string>();
      if (!missing.empty())
        return std::unexpected(
            Error{type_.name + " needs what GStreamer does not have here:", join(missing, ", "), 0,
                  "install the plugins (Debian: gstreamer1.0-plugins-base, -good, -bad, -ugly, -libav)",
                  ExitCode::not_found});
    }
    return {};
  }

  /// filter:NAME and muxer:NAME of FFmpeg, gst:ELEMENT of GStreamer.
  static Result<bool> has_capability(const std::string& capability) {
    const size_t colon = capability.find(':');
    const std::string kind = capability.substr(0, colon), name = capability.substr(colon + 1);
    const auto told = kind == "gst" ? capture({"gst-inspect-1.0", "--exists", name}, std::chrono::seconds(60))
                                    : capture({"ffmpeg", "-hide_banner", "-h", kind + "=" + name},
                                              std::chrono::seconds(30));
    if (!told) return std::unexpected(told.error());
    // FFmpeg says "Unknown filter" with exit code 0.
    return told->ok() && told->out.find("Unknown ") == std::string::npos &&
           told->err.find("Unknown ") == std::string::npos;
  }

  /// `${encoder.h264}` or `${capability['filter:x']}`: the first encoder of it that works here, with what
  /// templates need around it.
  Result<Json> encoder(const std::string& codec) {
    if (codec.find(':') != std::string::npos) {
      TRY(const bool there, has_capability(codec));
      return Json(there);
    }
    if (plan_.engine == "gstreamer")
      return Json({{"name", codec}, {"codec", codec}, {"init", Json::array()}, {"filter", ""}});
    if (const Json& known = at_or_null(encoder_facts_, codec); !known.is_null()) return known;
    std::string note;
    TRY(const EncoderFinding chosen, encoders_.choose(codec, audio_codec(codec) ? "none" : hwaccel_, &note));
    const EncoderSpec& spec = *encoder_named(chosen.name);
    if (!audio_codec(codec)) {
      chosen_[codec] = chosen.name + (chosen.device.empty() ? "" : " on " + chosen.device);
      if (!note.empty() || hwaccel_ != "auto" || chosen.accel != "none")
        plan_.notes.push_back("encoder " + chosen.name +
                              (chosen.device.empty() ? "" : " on " + chosen.device) +
                              (note.empty() ? "" : "; " + note));
    }
    encoder_facts_[codec] = {{"name", chosen.name},
                             {"codec", codec},
                             {"accel", chosen.accel},
                             {"device", chosen.device},
                             {"init", device_args(spec, chosen.device)},
                             {"filter", upload_filter(spec)}};
    return encoder_facts_[codec];
  }
  static bool audio_codec(const std::string& codec) {
    return std::ranges::any_of(known_encoders(), [&](const EncoderSpec& s) {
      return codec == s.codec && s.family == EncoderFamily::audio;
    });
  }

  Status outputs() {
    if (request_.outputs.size() > type_.outputs.size())
      return bad_input("-o is one too many:", request_.outputs.back(),
                       type_.outputs.empty() ? type_.name + " has no output" : "");
    std::string beside;
    for (size_t i = 0; i < type_.outputs.size(); i++) {
      const OutputSpec& spec = type_.outputs[i];
      std::string given = i < request_.outputs.size() ? request_.outputs[i] : "";
      if (given.empty() && !spec.default_path.empty()) {
        TRY(given, expand_text(spec.default_path, scope_));
      }
      PlannedOutput out{spec.name, "text", "", ""};
      if (given.empty() && spec.required)
        return bad_input("where to? -o is missing;", spec.help.empty() ? "" : spec.help,
                         "see ffrtmp job show " + type_.name);
      if (!given.empty()) {
        TRY(out,
            plan_output(spec, given, request_.job_id + (i ? "-" + std::to_string(i) : ""), plan_.inputs));
      } else if (spec.kind != OutputSpec::Kind::text) {
        scope_.names[spec.name] = nullptr;
        continue;
      }
      if (beside.empty() && (out.kind == "file" || out.kind == "folder" || !out.final.empty()) &&
          out.kind != "url")
        beside = out.final.substr(0, out.final.rfind('/'));
      plan_.outputs.push_back(std::move(out));
    }
    const char* tmp = ::getenv("TMPDIR");
    // Beside the output: on its disk, whose space was asked for.
    plan_.work = (beside.empty() ? (tmp && *tmp == '/' ? std::string(tmp) : "/tmp") + "/ffrtmp-"
                                 : beside + "/.ffrtmp-") +
                 request_.job_id + ".work";
    scope_.names["work"] = plan_.work;
    for (auto& out : plan_.outputs) {
      if (out.final.empty()) out.temp = plan_.work + "/" + out.name;
      const std::string& shown = out.final.empty() ? out.temp : out.final;
      const std::string name = shown.substr(shown.rfind('/') + 1);
      const size_t dot = name.rfind('.');
      std::string ext = dot == std::string::npos || dot == 0 ? "" : name.substr(dot + 1);
      std::ranges::transform(ext, ext.begin(),
                             [](unsigned char c) { return static_cast<char>(std::tolower(c)); });
      scope_.names[out.name] = {
          {"path", out.temp}, {"final", out.final},
          {"name", name},     {"stem", dot == std::string::npos || dot == 0 ? name : name.substr(0, dot)},
          {"ext", ext},       {"url", out.kind == "url"}};
    }
    return {};
  }

  Status default_parameters() {
    for (const auto& spec : type_.parameters) {
      Json& value = scope_.names[spec.name];
      if (!value.is_null()) continue;
      const Json& fallback = spec.default_value;
      if (fallback.is_string() && fallback.get<std::string>().find("${") != std::string::npos) {
        TRY(Json given, in_type(type_, {}, expand(fallback.get<std::string>(), scope_)));
        // A default is held to what the parameter takes, as if it had been given.
        if (const auto text = text_of(given); text && !given.is_null()) {
          TRY(value, parse_parameter(spec, *text));
        }
      } else {
        value = fallback;
      }
      if (value.is_null() && spec.required)
        return bad_input(
            "parameter " + spec.name + " is missing:", spec.help,
            spec.rest ? "give it after --" : "give -p " + spec.name + "=... (" + expectation(spec) + ")");
    }
    return {};
  }

  Status values() {
    for (const auto& [name, text] : type_.values) {
      TRY(scope_.names[name], in_type(type_, {}, expand(text, scope_)));
    }
    if (const Json& seconds = at_or_null(scope_.names, "media_s"); seconds.is_number())
      plan_.media_s = seconds.get<double>();
    return {};
  }

  Status checks() {
    for (const auto& check : type_.checks) {
      TRY(const bool ok, in_type(type_, check.place, holds(check.condition, scope_)));
      if (ok) continue;
      TRY(const std::string message, in_type(type_, check.place, expand_text(check.message, scope_)));
      return bad_input(type_.name + ":", message);
    }
    return {};
  }

  /// Runs `body` once, or once an item of `each`, with `as` standing for the item.
  template <class F>
  Status repeat(const std::string& each, const std::string& as, SourcePlace place, F&& body) {
    if (each.empty()) return body();
    TRY(const Json list,
        in_type(type_, place, expand(each.starts_with("${") ? each : "${" + each + "}", scope_)));
    if (!list.is_array())
      return bad_input(type_.source + ":" + std::to_string(place.line) + ": each needs a list, not",
                       list.type_name());
    const Json saved = at_or_null(scope_.names, as), saved_index = at_or_null(scope_.names, "index");
    Status done;
    for (size_t i = 0; i < list.size() && done; i++) {
      scope_.names[as] = list[i];
      scope_.names["index"] = i;
      scope_.names[as + "_index"] = i;  // of an outer repetition too
      done = body();
    }
    scope_.names[as] = saved;
    scope_.names.erase(as + "_index");
    scope_.names["index"] = saved_index;
    return done;
  }

  Status arguments(const std::vector<ArgSpec>& specs, const Engine& engine, std::vector<std::string>& out) {
    for (const auto& spec : specs) TRY_OK(argument(spec, engine, out));
    return {};
  }

  Status argument(const ArgSpec& spec, const Engine& engine, std::vector<std::string>& out) {
    if (out.size() > kMostCommands) return bad_input("the command has too many arguments", "");
    if (spec.kind == ArgSpec::Kind::text) {
      TRY(const Json value, in_type(type_, spec.place, expand(spec.text, scope_)));
      if (value.is_array()) {  // "${list}" alone spreads
        for (const Json& item : value) {
          const auto text = text_of(item);
          if (!text) return bad_input("a list holds what is no text:", spec.text);
          out.push_back(*text);
        }
        return {};
      }
      const auto text = text_of(value);
      if (!text)
        return bad_input(type_.source + ":" + std::to_string(spec.place.line) + ":" +
                             std::to_string(spec.place.column) + ": it has no value:",
                         spec.text);
      out.push_back(*text);
      return {};
    }
    return repeat(spec.each, spec.as, spec.place, [&]() -> Status {
      if (!spec.condition.empty()) {
        TRY(const bool yes, in_type(type_, spec.place, holds(spec.condition, scope_)));
        if (!yes) return arguments(spec.otherwise, engine, out);
      }
      switch (spec.kind) {
        case ArgSpec::Kind::input: {
          TRY(const std::string location,
              in_type(type_, spec.place,
                      expand_text(spec.text.starts_with("${") ? spec.text : "${" + spec.text + "}", scope_)));
          std::vector<std::string> before;
          TRY_OK(arguments(spec.args, engine, before));
          const auto more = engine.input(location, before);
          out.insert(out.end(), more.begin(), more.end());
          return {};
        }
        case ArgSpec::Kind::video_encoder:
        case ArgSpec::Kind::audio_encoder: {
          TRY(const auto more, encoder_arguments(spec, engine));
          out.insert(out.end(), more.begin(), more.end());
          return {};
        }
        default: return arguments(spec.args, engine, out);
      }
    });
  }

  Result<std::vector<std::string>> encoder_arguments(const ArgSpec& spec, const Engine& engine) {
    const auto field = [&](const char* name) -> Result<Json> {
      const auto found_field = spec.fields.find(name);
      if (found_field == spec.fields.end() || found_field->second.empty()) return Json(nullptr);
      return in_type(type_, spec.place, expand(found_field->second, scope_));
    };
    const auto words = [&](const char* name) -> Result<std::string> {
      TRY(const Json value, field(name));
      return text_of(value).value_or("");
    };
    TRY(const std::string codec, words("codec"));
    TRY(const std::string bitrate, words("bitrate"));
    if (spec.kind == ArgSpec::Kind::audio_encoder) return engine.audio_encoder(codec, bitrate);
    VideoSettings settings;
    settings.bitrate = bitrate;
    TRY(const Json quality, field("quality"));
    if (quality.is_number()) settings.quality = quality.get<double>();
    TRY(settings.maxrate, words("maxrate"));
    TRY(settings.bufsize, words("bufsize"));
    TRY(settings.preset, words("preset"));
    TRY(settings.stream, words("stream"));
    TRY(const Json gop, field("gop"));
    if (gop.is_number()) settings.gop = gop.get<int64_t>();
    TRY(const Json mp4, field("mp4"));
    settings.mp4 = truth_of(mp4);
    TRY(const Json facts, encoder(codec));
    EncoderFinding finding;
    finding.name = text_or(facts, "name");
    finding.codec = codec;
    return engine.video_encoder(finding, settings);
  }

  Status step(const StepSpec& spec) {
    if (!spec.condition.empty()) {
      TRY(const bool yes, in_type(type_, spec.place, holds(spec.condition, scope_)));
      if (!yes) return {};
    }
    // With a choice of engines, the other engine's steps are not this job's.
    if (!type_.engines.empty() && !spec.engine.empty() && spec.engine != "command" &&
        spec.engine != plan_.engine)
      return {};
    const Engine& engine = spec.builtin.empty() ? *engine_named(spec.engine) : command_engine();
    PlannedStep out;
    out.name = spec.name;
    out.engine = spec.engine;
    out.builtin = spec.builtin;
    out.pattern = spec.pattern;
    out.parallel = spec.parallel;
    out.may_fail = spec.may_fail;
    const Status repeated = repeat(spec.each, spec.as, spec.place, [&]() -> Status {
      TRY(out.out, in_type(type_, spec.place,
                           spec.out.empty() ? Result<std::string>("") : expand_text(spec.out, scope_)));
      TRY(out.unless,
          in_type(type_, spec.place,
                  spec.unless.empty() ? Result<std::string>("") : expand_text(spec.unless, scope_)));
      if (!spec.total.empty()) {
        TRY(const Json total, in_type(type_, spec.place, expand(spec.total, scope_)));
        if (total.is_number() && total.get<double>() > 0) out.total_s = total.get<double>();
      }
      std::vector<std::string> args;
      TRY_OK(arguments(spec.args, engine, args));
      if (args.empty()) return bad_input(type_.name + ": the step " + spec.name + " has no arguments", "");
      if (spec.builtin.empty() && spec.engine == "command" && !found(args[0]) && out.commands.empty())
        return std::unexpected(Error{type_.name + ": no such program:", args[0], 0, "", ExitCode::not_found});
      out.commands.push_back(std::move(args));
      return {};
    });
    TRY_OK(repeated);
    if (!out.commands.empty()) plan_.steps.push_back(std::move(out));
    return {};
  }

  Status verify(const VerifySpec& spec) {
    if (!spec.condition.empty()) {
      TRY(const bool yes, in_type(type_, spec.place, holds(spec.condition, scope_)));
      if (!yes) return {};
    }
    return repeat(spec.each, spec.as, spec.place, [&]() -> Status {
      PlannedCheck out;
      out.kind = spec.kind;
      TRY(out.path, in_type(type_, spec.place, expand_text(spec.path, scope_)));
      for (const auto& [key, text] : spec.expect) {
        TRY(Json value, in_type(type_, spec.place, expand(text, scope_)));
        if (!value.is_null()) out.expect[key] = std::move(value);
      }
      plan_.checks.push_back(std::move(out));
      return {};
    });
  }

  Status live() {
    if (!type_.live.live) return {};
    const auto number = [&](const std::string& text) -> Result<std::optional<double>> {
      if (text.empty()) return std::optional<double>();
      TRY(const Json value, expand(text, scope_));
      return value.is_number() && value.get<double>() > 0 ? std::optional(value.get<double>())
                                                          : std::optional<double>();
    };
    if (!type_.live.restart_template.empty()) {
      TRY(plan_.restart, expand_text(type_.live.restart_template, scope_));
    }
    if (!type_.live.segment_list.empty()) {
      TRY(plan_.segment_list, expand_text(type_.live.segment_list, scope_));
    }
    TRY(plan_.keep_age_s, number(type_.live.keep_age));
    TRY(plan_.keep_bytes, number(type_.live.keep_bytes));
    return {};
  }

  const JobType& type_;
  const JobRequest& request_;
  EncoderBook& encoders_;
  JobPlan plan_;
  Scope scope_;
  Json encoder_facts_ = Json::object(), chosen_ = Json::object();
  std::string hwaccel_ = "auto", engine_ = "auto";
};

}  // namespace

Result<JobPlan> make_plan(const JobType& type, const JobRequest& request, EncoderBook& encoders) {
  return Planner(type, request, encoders).make();
}

std::vector<std::string> full_command(const PlannedStep& step, const std::vector<std::string>& args,
                                      const std::string& progress) {
  if (!step.builtin.empty()) return args;
  const Engine* engine = engine_named(step.engine);
  return (engine ? *engine : command_engine()).command(args, progress);
}

Json to_json(const JobPlan& plan) {
  Json steps = Json::array(), outputs = Json::array(), checks = Json::array();
  for (const auto& s : plan.steps)
    steps.push_back({{"name", s.name},
                     {"engine", s.engine},
                     {"builtin", s.builtin},
                     {"commands", s.commands},
                     {"out", s.out},
                     {"unless", s.unless},
                     {"pattern", s.pattern},
                     {"parallel", s.parallel},
                     {"may_fail", s.may_fail},
                     {"total_s", or_null(s.total_s)}});
  for (const auto& o : plan.outputs)
    outputs.push_back({{"name", o.name}, {"kind", o.kind}, {"temp", o.temp}, {"final", o.final}});
  for (const auto& c : plan.checks)
    checks.push_back({{"path", c.path}, {"kind", c.kind}, {"expect", c.expect}});
  return {{"type", plan.type},
          {"version", plan.version},
          {"engine", plan.engine},
          {"verify", plan.verify},
          {"work", plan.work},
          {"parameters", plan.parameters},
          {"notes", plan.notes},
          {"inputs", plan.inputs},
          {"steps", steps},
          {"outputs", outputs},
          {"checks", checks},
          {"media_s", or_null(plan.media_s)},
          {"live", plan.live},
          {"segment_list", plan.segment_list},
          {"keep_age_s", or_null(plan.keep_age_s)},
          {"keep_bytes", or_null(plan.keep_bytes)}};
}

Result<JobPlan> plan_from_json(const Json& json) {
  const auto number = [](const Json& value) {
    return value.is_number() ? std::optional(value.get<double>()) : std::nullopt;
  };
  try {  // nlohmann reports wrong types by exception; none leaves this function
    JobPlan out;
    out.type = json.at("type");
    out.version = json.at("version");
    out.engine = json.at("engine");
    out.verify = json.at("verify");
    out.work = json.at("work");
    out.parameters = json.at("parameters");
    out.notes = json.at("notes").get<std::vector<std::string>>();
    out.inputs = json.at("inputs").get<std::vector<std::string>>();
    for (const Json& s : json.at("steps")) {
      PlannedStep step;
      step.name = s.at("name");
      step.engine = s.at("engine");
      step.builtin = s.at("builtin");
      step.commands = s.at("commands").get<std::vector<std::vector<std::string>>>();
      step.out = s.at("out");
      step.unless = s.at("unless");
      step.pattern = s.at("pattern");
      step.parallel = s.at("parallel");
      step.may_fail = s.at("may_fail");
      step.total_s = number(s.at("total_s"));
      out.steps.push_back(std::move(step));
    }
    for (const Json& o : json.at("outputs"))
      out.outputs.push_back({o.at("name"), o.at("kind"), o.at("temp"), o.at("final")});
    for (const Json& c : json.at("checks"))
      out.checks.push_back({c.at("path"), c.at("kind"), c.at("expect")});
    out.media_s = number(json.at("media_s"));
    out.live = json.at("live");
    out.segment_list = json.at("segment_list");
    out.keep_age_s = number(json.at("keep_age_s"));
    out.keep_bytes = number(json.at("keep_bytes"));
    return out;
  } catch (const Json::exception& error) {
    return bad_input("not the plan of a job:", error.what());
  }
}

}  // namespace ffrtmp
