#include <algorithm>
#include <cmath>

#include "jobs/profile.h"
#include "media/encoders.h"
#include "media/engine.h"
#include "media/progress.h"
#include "sys/text.h"
#include "sys/toml_reader.h"
#include "types/builtins.h"
#include "types/expr.h"
#include "types/job_type.h"

namespace ffrtmp {

std::string_view parameter_kind_name(ParameterKind kind) {
  constexpr std::string_view kNames[] = {"string", "integer",  "number", "bool", "duration",
                                         "size",   "rational", "enum",   "list"};
  return kNames[static_cast<size_t>(kind)];
}

const ParameterSpec* JobType::parameter(std::string_view parameter_name) const {
  const auto found = std::ranges::find(parameters, parameter_name, &ParameterSpec::name);
  return found == parameters.end() ? nullptr : &*found;
}

namespace {

bool plain_name(const std::string& name) {
  return !name.empty() && name.size() <= 64 &&
         name.find_first_not_of("abcdefghijklmnopqrstuvwxyz0123456789_") == std::string::npos &&
         !(name[0] >= '0' && name[0] <= '9');
}

/// Names that templates always know, beside the type's own.
const std::vector<std::string>& builtin_scope() {
  static const std::vector<std::string> names = {"inputs", "work", "engine", "hwaccel", "job"};
  return names;
}

/// Text, a number or a truth value as a template that gives it.
Result<std::string> scalar(TomlReader& reader, std::string_view key) {
  const toml::node* node = reader.find(key);
  if (!node) return std::string();
  if (const auto* t = node->as_string()) return t->get();
  if (const auto* n = node->as_integer()) return "${" + std::to_string(n->get()) + "}";
  if (const auto* n = node->as_floating_point()) return "${" + text_of(Json(n->get())).value_or("0") + "}";
  if (const auto* b = node->as_boolean()) return std::string(b->get() ? "${true}" : "${false}");
  return reader.error(place_of(*node), reader.path_of(key) + " is text, a number, true or false");
}

/// Reads one file. Collects what templates may name before it reads templates.
class TypeParser {
 public:
  TypeParser(const toml::table& table, const std::string& source) : top_(table, source, "", {1, 1}) {}

  Result<JobType> parse() {
    out_.source = top_.source();
    TRY_OK(top_.only({"name", "version", "summary", "description", "engines", "agents", "parameters",
                      "inputs", "outputs", "let", "requires", "checks", "profile", "limits", "timeout",
                      "live", "steps", "verify", "verify_level"}));
    TRY(out_.name, top_.needed_text("name"));
    if (out_.name.find_first_not_of("abcdefghijklmnopqrstuvwxyz0123456789-") != std::string::npos ||
        out_.name.size() > 48 || out_.name[0] == '-')
      return top_.error_at("name",
                           "a type's name has small letters, digits and '-', not \"" + out_.name + "\"");
    TRY(out_.version, top_.whole("version", 0));
    if (out_.version < 1) return top_.error_at("version", "version is a whole number from 1");
    TRY(out_.summary, top_.needed_text("summary"));
    TRY(out_.description, top_.text("description"));
    TRY(out_.engines, top_.texts("engines"));
    for (const auto& engine : out_.engines)
      if (!engine_named(engine))
        return top_.error_at("engines", "no such engine: " + engine, "there are ffmpeg, gstreamer, command");
    TRY(out_.on_agents, top_.flag("agents", true));
    for (const auto& name : builtin_scope()) names_.insert(name);
    TRY_OK(each_of("parameters", [&](TomlReader& r, const std::string& n) { return parameter(r, n); }));
    TRY_OK(each_of("inputs", [&](TomlReader& r, const std::string& n) { return input(r, n); }));
    TRY_OK(each_of("outputs", [&](TomlReader& r, const std::string& n) { return output(r, n); }));
    for (const auto& spec : out_.parameters)
      if (spec.default_value.is_string() &&
          spec.default_value.get<std::string>().find("${") != std::string::npos)
        TRY_OK(template_ok(spec.default_value.get<std::string>(), param_places_[spec.name]));
    for (const auto& spec : out_.outputs) TRY_OK(template_ok(spec.default_path, {}));
    TRY_OK(values());
    TRY_OK(requirements());
    TRY_OK(limits());
    TRY_OK(live());
    TRY_OK(list_of("steps", [&](TomlReader& r) { return step(r); }));
    if (out_.steps.empty()) return top_.error({1, 1}, "a type needs at least one [[steps]]");
    TRY_OK(list_of("verify", [&](TomlReader& r) { return verify(r); }));
    TRY(out_.verify_level, top_.text("verify_level", "quick"));
    if (out_.verify_level != "quick" && out_.verify_level != "full" && out_.verify_level != "none")
      return top_.error_at("verify_level", "verify_level is quick, full or none");
    TRY_OK(top_.done());
    return std::move(out_);
  }

 private:
  template <class F>
  Status each_of(std::string_view key, F&& read) {
    TRY(const toml::table* tables, top_.table(key));
    if (!tables) return {};
    for (const auto& [name, node] : in_file_order(*tables)) {
      if (!node->is_table())
        return top_.error(place_of(*node), std::string(key) + "." + name + " is a table");
      if (!plain_name(name))
        return top_.error(place_of(*node), "a name has small letters, digits and '_', not \"" + name + "\"");
      if (!names_.insert(name).second) return top_.error(place_of(*node), "the name " + name + " is taken");
      TomlReader reader(*node->as_table(), top_.source(), std::string(key) + "." + name, place_of(*node));
      TRY_OK(read(reader, name));
      TRY_OK(reader.done());
    }
    return {};
  }
  template <class F>
  Status list_of(std::string_view key, F&& read) {
    TRY(const toml::array* tables, top_.array(key));
    if (!tables) return {};
    for (const auto& node : *tables) {
      if (!node.is_table())
        return top_.error(place_of(node), std::string(key) + " holds tables: [[" + std::string(key) + "]]");
      TomlReader reader(*node.as_table(), top_.source(), std::string(key), place_of(node));
      TRY_OK(read(reader));
      TRY_OK(reader.done());
    }
    return {};
  }

  /// Templates may name parameters, inputs, outputs, values of [let] and names of enclosing repetitions.
  Status names_known(const std::set<std::string>& used, SourcePlace place) const {
    for (const auto& name : used) {
      if (names_.contains(name) || std::ranges::find(loops_, name) != loops_.end() || name == "item" ||
          name == "index")
        continue;
      if (name.ends_with("_index") &&
          std::ranges::find(loops_, name.substr(0, name.size() - 6)) != loops_.end())
        continue;
      const auto near = nearest(name, std::vector<std::string>(names_.begin(), names_.end()));
      return top_.error(place, "no parameter, input, output or value is called " + name,
                        near ? "did you mean " + *near + "?" : "");
    }
    return {};
  }
  Status template_ok(const std::string& text, SourcePlace place) const {
    std::set<std::string> used;
    if (auto read = check_template(text, used); !read) return top_.error(place, read.error().message());
    return names_known(used, place);
  }
  Status condition_ok(const std::string& text, SourcePlace place) const {
    if (text.empty()) return {};
    std::set<std::string> used;
    if (auto read = check_condition(text, used); !read) return top_.error(place, read.error().message());
    return names_known(used, place);
  }

  Result<ParameterKind> kind_named(TomlReader& r, const std::string& key, const std::string& name) const {
    for (int i = 0; i <= static_cast<int>(ParameterKind::list); i++)
      if (parameter_kind_name(static_cast<ParameterKind>(i)) == name) return static_cast<ParameterKind>(i);
    return r.error_at(key, "no such type of parameter: " + name,
                      "there are string, integer, number, bool, duration, size, rational, enum, list");
  }

  Status parameter(TomlReader& r, const std::string& name) {
    ParameterSpec spec;
    spec.name = name;
    param_places_[name] = r.place();
    TRY(const std::string kind, r.needed_text("type"));
    TRY(spec.kind, kind_named(r, "type", kind));
    TRY(const std::string items, r.text("items", "string"));
    TRY(spec.items, kind_named(r, "items", items));
    TRY(spec.help, r.needed_text("help"));
    TRY(spec.required, r.flag("required", false));
    TRY(spec.rest, r.flag("rest", false));
    TRY(spec.secret, r.flag("secret", false));
    TRY(spec.least, r.number("min"));
    TRY(spec.most, r.number("max"));
    TRY(spec.pattern, r.text("pattern"));
    TRY(spec.choices, r.texts("choices"));
    if (spec.kind == ParameterKind::choice && spec.choices.empty())
      return r.error(r.place(), r.path() + " is an enum and needs choices");
    if (spec.rest && spec.kind != ParameterKind::list)
      return r.error_at("rest", "only a list takes the rest of the command line");
    if (spec.kind == ParameterKind::list && (spec.items == ParameterKind::list))
      return r.error_at("items", "a list of lists is not offered");
    if (const toml::node* given = r.find("default")) TRY_OK(default_of(r, *given, spec));
    out_.parameters.push_back(std::move(spec));
    return {};
  }
  /// A default is given as its own kind in TOML, as text that is parsed like the command line's, or as a
  /// template.
  Status default_of(TomlReader& r, const toml::node& node, ParameterSpec& spec) const {
    std::string text;
    if (const auto* t = node.as_string()) {
      text = t->get();
      if (text.find("${") != std::string::npos) {
        spec.default_value = text;
        return {};
      }
    } else if (const auto* n = node.as_integer()) {
      text = std::to_string(n->get());
    } else if (const auto* f = node.as_floating_point()) {
      text = text_of(Json(f->get())).value_or("");
    } else if (const auto* b = node.as_boolean()) {
      text = b->get() ? "true" : "false";
    } else if (const auto* list = node.as_array()) {
      std::vector<std::string> parts;
      for (const auto& item : *list) {
        if (const auto* t2 = item.as_string())
          parts.push_back(t2->get());
        else if (const auto* n2 = item.as_integer())
          parts.push_back(std::to_string(n2->get()));
        else
          return r.error(place_of(item), "a default's items are texts or whole numbers");
      }
      text = join(parts, ",");
    } else {
      return r.error(place_of(node), "a default is text, a number, true, false or a list");
    }
    auto value = parse_parameter(spec, text);
    if (!value) return r.error(place_of(node), value.error().message());
    spec.default_value = std::move(*value);
    return {};
  }

  Status input(TomlReader& r, const std::string& name) {
    InputSpec spec;
    spec.name = name;
    if (!out_.inputs.empty() && out_.inputs.back().many)
      return r.error(r.place(), "no input can follow one that takes many");
    TRY(const std::string kind, r.text("kind", "file"));
    if (kind != "file" && kind != "folder" && kind != "url" && kind != "any")
      return r.error_at("kind", "an input's kind is file, folder, url or any (file or url)");
    spec.file = kind != "url";
    spec.folder = kind == "folder";
    TRY(spec.schemes, r.texts("schemes"));
    if ((kind == "url" || kind == "any") && spec.schemes.empty())
      return r.error(r.place(), r.path() + " needs schemes = [...]");
    if ((kind == "file" || kind == "folder") && !spec.schemes.empty())
      return r.error_at("schemes", "a file has no schemes; kind = \"any\" takes both");
    TRY_OK(schemes_ok(r, spec.schemes));
    TRY(spec.many, r.flag("many", false));
    TRY(spec.required, r.flag("required", true));
    TRY(spec.media, r.flag("media", kind != "folder"));
    TRY(spec.probe, r.flag("probe", spec.media));
    TRY(spec.needs, r.text("needs"));
    if (!spec.needs.empty() && spec.needs != "video" && spec.needs != "audio")
      return r.error_at("needs", "needs is \"video\" or \"audio\"");
    TRY(spec.help, r.text("help"));
    out_.inputs.push_back(std::move(spec));
    return {};
  }
  Status schemes_ok(TomlReader& r, const std::vector<std::string>& schemes) const {
    static const std::vector<std::string> known = {"http", "https", "rtmp", "rtmps",
                                                   "srt",  "udp",   "rtsp", "rtsps"};
    for (const auto& scheme : schemes)
      if (std::ranges::find(known, scheme) == known.end())
        return r.error_at("schemes", "no such scheme: " + scheme, "there are " + join(known, ", "));
    return {};
  }
  Status output(TomlReader& r, const std::string& name) {
    OutputSpec spec;
    spec.name = name;
    TRY(const std::string kind, r.text("kind", "file"));
    if (kind == "file")
      spec.kind = OutputSpec::Kind::file;
    else if (kind == "folder")
      spec.kind = OutputSpec::Kind::folder;
    else if (kind == "url" || kind == "any")
      spec.kind = OutputSpec::Kind::url;
    else if (kind == "text")
      spec.kind = OutputSpec::Kind::text;
    else
      return r.error_at("kind", "an output's kind is file, folder, url, any (file or url) or text");
    spec.file_too = kind == "any";
    TRY(spec.schemes, r.texts("schemes"));
    TRY_OK(schemes_ok(r, spec.schemes));
    TRY(spec.extensions, r.texts("extensions"));
    TRY(spec.default_path, r.text("default"));
    TRY(spec.required, r.flag("required", spec.kind != OutputSpec::Kind::text));
    TRY(spec.help, r.text("help"));
    out_.outputs.push_back(std::move(spec));
    return {};
  }

  Status values() {
    TRY(const toml::table* table, top_.table("let"));
    if (!table) return {};
    TomlReader r(*table, top_.source(), "let");
    for (const auto& [name, node] : in_file_order(*table)) {
      if (!plain_name(name))
        return r.error(place_of(*node), "a name has small letters, digits and '_', not \"" + name + "\"");
      TRY(std::string text, scalar(r, name));
      TRY_OK(template_ok(text, place_of(*node)));
      if (!names_.insert(name).second) return r.error(place_of(*node), "the name " + name + " is taken");
      out_.values.emplace_back(name, std::move(text));
    }
    return {};
  }

  Status requirements() {
    TRY(const toml::table* table, top_.table("requires"));
    if (table) {
      TomlReader r(*table, top_.source(), "requires");
      TRY(out_.tools, r.texts("tools"));
      TRY(out_.encoders, r.texts("encoders"));
      TRY(out_.capabilities, r.texts("capabilities"));
      for (const auto& codec : out_.encoders)
        if (std::ranges::none_of(known_encoders(), [&](const EncoderSpec& s) { return codec == s.codec; }))
          return r.error_at("encoders", "no such codec: " + codec);
      for (const auto& capability : out_.capabilities)
        if (!capability.starts_with("filter:") && !capability.starts_with("muxer:") &&
            !capability.starts_with("gst:"))
          return r.error_at("capabilities", "no such capability: " + capability,
                            "write filter:NAME, muxer:NAME or gst:ELEMENT");
      TRY_OK(r.done());
    }
    return list_of("checks", [&](TomlReader& r) -> Status {
      JobType::Check check;
      check.place = r.place();
      TRY(check.condition, r.needed_text("that"));
      TRY(check.message, r.needed_text("else"));
      TRY_OK(condition_ok(check.condition, check.place));
      TRY_OK(template_ok(check.message, check.place));
      out_.checks.push_back(std::move(check));
      return {};
    });
  }

  Status limits() {
    TRY(out_.profile, top_.text("profile"));
    TRY(out_.timeout, top_.duration("timeout"));
    TRY(const toml::table* table, top_.table("limits"));
    if (!table) return {};
    TomlReader r(*table, top_.source(), "limits");
    for (const auto& [name, node] : in_file_order(*table)) {
      const auto kind = limit_kind(name);
      std::vector<std::string> flags;
      for (const LimitKind each : kLimitKinds) flags.emplace_back(limit_flag(each));
      if (!kind || limit_flag(*kind) != name) {
        const auto near = nearest(name, flags);
        return r.error(place_of(*node), "unknown limit " + name, near ? "did you mean " + *near + "?" : "");
      }
      std::string text;
      if (const auto* t = node->as_string())
        text = t->get();
      else if (const auto* n = node->as_integer())
        text = std::to_string(n->get());
      else
        return r.error(place_of(*node), "a limit is text or a whole number");
      auto value = parse_limit(*kind, text);
      if (!value) return r.error(place_of(*node), name + ": " + value.error().message());
      out_.limits.push_back({*kind, std::move(*value), "type " + out_.name});
    }
    return {};
  }

  Status live() {
    TRY(const toml::table* table, top_.table("live"));
    if (!table) return {};
    TomlReader r(*table, top_.source(), "live");
    out_.live.live = true;
    TRY(const std::string restart, r.text("restart", "no"));
    if (restart.find("${") != std::string::npos) {
      TRY_OK(template_ok(restart, r.place()));
      out_.live.restart_template = restart;
    } else if (restart == "on-failure")
      out_.live.restart = RestartPolicy::on_failure;
    else if (restart == "always")
      out_.live.restart = RestartPolicy::always;
    else if (restart != "no")
      return r.error_at("restart", "restart is no, on-failure or always");
    TRY(const auto backoff, r.duration("backoff"));
    if (backoff) out_.live.backoff = *backoff;
    TRY(const auto longest, r.duration("longest_backoff"));
    if (longest) out_.live.longest_backoff = *longest;
    TRY(const int64_t most, r.whole("max", 0));
    if (most < 0 || most > 1'000'000) return r.error_at("max", "max is 0 (no bound) to 1000000 restarts");
    out_.live.most = static_cast<unsigned>(most);
    TRY(out_.live.stall, r.duration("stall"));
    TRY(out_.live.restart_on_stall, r.flag("restart_on_stall", false));
    for (auto [key, value] :
         {std::pair{"segment_list", &out_.live.segment_list}, std::pair{"keep_age", &out_.live.keep_age},
          std::pair{"keep_bytes", &out_.live.keep_bytes}}) {
      TRY(*value, scalar(r, key));
      TRY_OK(template_ok(*value, r.place()));
    }
    return r.done();
  }

  Result<std::vector<ArgSpec>> args(TomlReader& r, std::string_view key) {
    TRY(const toml::array* list, r.array(key));
    std::vector<ArgSpec> out;
    if (!list) return out;
    if (++depth_ > 16) return r.error_at(key, "groups are nested too deeply");
    for (const auto& node : *list) {
      TRY(ArgSpec arg, one_arg(r, node));
      out.push_back(std::move(arg));
    }
    depth_--;
    return out;
  }

  Result<ArgSpec> one_arg(TomlReader& outer, const toml::node& node) {
    ArgSpec out;
    out.place = place_of(node);
    if (const auto* text = node.as_string()) {
      out.text = text->get();
      TRY_OK(template_ok(out.text, out.place));
      return out;
    }
    if (const auto* number = node.as_integer()) {
      out.text = std::to_string(number->get());
      return out;
    }
    if (!node.is_table())
      return outer.error(out.place,
                         "an argument is text, a whole number or a group { if = ..., args = [...] }");
    TomlReader r(*node.as_table(), outer.source(), outer.path() + ".args", out.place);
    out.kind = ArgSpec::Kind::group;
    TRY(out.condition, r.text("if"));
    TRY_OK(condition_ok(out.condition, out.place));
    TRY(out.each, r.text("each"));
    TRY(out.as, r.text("as", "item"));
    TRY_OK(condition_ok(out.each, out.place));
    if (!plain_name(out.as)) return r.error_at("as", "a name has small letters, digits and '_'");
    loops_.push_back(out.as);
    const auto inner = [&]() -> Status {
      TRY(out.text, r.text("input"));
      if (!out.text.empty()) {
        out.kind = ArgSpec::Kind::input;
        TRY_OK(condition_ok(out.text, out.place));
        TRY(out.args, args(r, "before"));
        return r.done();
      }
      for (const auto& [key, kind] : {std::pair{"video", ArgSpec::Kind::video_encoder},
                                      std::pair{"audio", ArgSpec::Kind::audio_encoder}}) {
        TRY(const std::string codec, r.text(key));
        if (codec.empty()) continue;
        out.kind = kind;
        out.fields["codec"] = codec;
        for (const char* field :
             {"quality", "bitrate", "maxrate", "bufsize", "preset", "gop", "stream", "mp4"}) {
          TRY(out.fields[field], scalar(r, field));
          TRY_OK(template_ok(out.fields[field], out.place));
        }
        TRY_OK(template_ok(codec, out.place));
        return r.done();
      }
      TRY(out.args, args(r, "args"));
      TRY(out.otherwise, args(r, "else"));
      if (out.args.empty() && out.otherwise.empty())
        return r.error(out.place, "a group needs args, input, video or audio");
      return r.done();
    }();
    loops_.pop_back();
    if (!inner) return std::unexpected(inner.error());
    return out;
  }

  Status step(TomlReader& r) {
    StepSpec out;
    out.place = r.place();
    TRY(out.name, r.text("name", "step " + std::to_string(out_.steps.size() + 1)));
    TRY(out.engine, r.text("engine"));
    TRY(out.builtin, r.text("builtin"));
    if (!out.engine.empty() && !engine_named(out.engine))
      return r.error_at("engine", "no such engine: " + out.engine, "there are ffmpeg, gstreamer, command");
    if (!out.builtin.empty()) {
      if (!out.engine.empty()) return r.error_at("builtin", "a step has an engine or is built in, not both");
      if (std::ranges::find(builtin_names(), out.builtin) == builtin_names().end()) {
        const auto near = nearest(out.builtin, builtin_names());
        return r.error_at("builtin", "no such builtin: " + out.builtin,
                          near ? "did you mean " + *near + "?" : "there are " + join(builtin_names(), ", "));
      }
    } else if (out.engine.empty()) {
      out.engine = "command";
    }
    TRY(out.condition, r.text("if"));
    TRY_OK(condition_ok(out.condition, out.place));
    TRY(out.each, r.text("each"));
    TRY_OK(condition_ok(out.each, out.place));
    TRY(out.as, r.text("as", "item"));
    if (!plain_name(out.as)) return r.error_at("as", "a name has small letters, digits and '_'");
    loops_.push_back(out.as);
    const auto inner = [&]() -> Status {
      TRY(out.unless, r.text("unless"));
      TRY_OK(template_ok(out.unless, out.place));
      TRY(out.parallel, r.flag("parallel", false));
      TRY(out.may_fail, r.flag("may_fail", false));
      TRY(out.out, r.text("stdout"));
      TRY_OK(template_ok(out.out, out.place));
      TRY(out.total, scalar(r, "total"));
      TRY_OK(template_ok(out.total, out.place));
      TRY(out.pattern, r.text("progress"));
      if (!out.pattern.empty())
        if (auto ok = check_line_pattern(out.pattern); !ok)
          return r.error_at("progress", ok.error().message());
      TRY(out.args, args(r, "args"));
      return {};
    }();
    loops_.pop_back();
    TRY_OK(inner);
    if (out.args.empty()) return r.error(out.place, "a step needs args");
    out_.steps.push_back(std::move(out));
    return {};
  }

  Status verify(TomlReader& r) {
    static const std::vector<std::string> kinds = {"media", "images", "hls", "dash", "json", "webvtt", "any"};
    VerifySpec out;
    out.place = r.place();
    TRY(out.kind, r.needed_text("kind"));
    if (std::ranges::find(kinds, out.kind) == kinds.end())
      return r.error_at("kind", "no such kind of verification: " + out.kind,
                        "there are " + join(kinds, ", "));
    TRY(out.condition, r.text("if"));
    TRY_OK(condition_ok(out.condition, out.place));
    TRY(out.each, r.text("each"));
    TRY_OK(condition_ok(out.each, out.place));
    TRY(out.as, r.text("as", "item"));
    if (!plain_name(out.as)) return r.error_at("as", "a name has small letters, digits and '_'");
    loops_.push_back(out.as);
    const auto inner = [&]() -> Status {
      TRY(out.path, r.text("path", out_.outputs.empty() ? "" : "${" + out_.outputs[0].name + "}"));
      TRY_OK(template_ok(out.path, out.place));
      for (const char* key : {"video", "audio", "video_codec", "audio_codec", "width", "height", "fps",
                              "duration", "tolerance", "renditions", "count", "cues"}) {
        TRY(const std::string value, scalar(r, key));
        if (value.empty()) continue;
        TRY_OK(template_ok(value, out.place));
        out.expect[key] = value;
      }
      return {};
    }();
    loops_.pop_back();
    TRY_OK(inner);
    out_.verify.push_back(std::move(out));
    return {};
  }

  TomlReader top_;
  JobType out_;
  std::set<std::string> names_;
  std::vector<std::string> loops_;
  std::map<std::string, SourcePlace> param_places_;
  int depth_ = 0;
};

}  // namespace

Result<JobType> parse_job_type(const std::string& text, const std::string& source) {
  TRY(const toml::table table, parse_toml(text, source));
  return TypeParser(table, source).parse();
}

}  // namespace ffrtmp
