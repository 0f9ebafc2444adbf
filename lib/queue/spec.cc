#include "queue/spec.h"

#include <algorithm>

#include "queue/state.h"
#include "sys/redact.h"
#include "sys/text.h"
#include "sys/units.h"

namespace ffrtmp::queue {

namespace {

constexpr int64_t kYearMs = INT64_C(366) * 86'400'000;

template <class List>
std::vector<std::string> words_of(const List& list) {
  return {list.begin(), list.end()};
}

std::vector<InputFile> read_inputs(ObjectReader& in, FieldErrors& errors) {
  std::vector<InputFile> out;
  const Json* list = in.array("inputs", 32);
  if (list == nullptr) return out;
  for (size_t i = 0; i < list->size(); i++) {
    const std::string path = in.path("inputs[" + std::to_string(i) + "]");
    ObjectReader file((*list)[i], path, errors);
    InputFile input;
    input.name = file.text("name", 1, 128);
    input.size = file.whole("size", 0, INT64_C(1) << 44, -1);
    input.sha256 = file.text("sha256", 64, 64);
    file.done();
    if (!input.name.empty() && !plain_name(input.name)) file.error("name", "must be a plain file name");
    if (input.size < 0) file.missing("size");
    if (!input.sha256.empty() && !is_sha256(input.sha256))
      file.error("sha256", "must be 64 lower-case hex digits");
    for (const InputFile& other : out)
      if (other.name == input.name) file.error("name", "is given twice");
    out.push_back(input);
  }
  return out;
}

void check_limits(ObjectReader& in, FieldErrors& errors) {
  const Json* limits = in.object("limits");
  if (limits == nullptr) return;
  ObjectReader reader(*limits, in.path("limits"), errors);
  const auto check = [&](const char* name, auto parse) {
    const std::string value = reader.text(name, 0, 32);
    if (value.empty()) return;
    if (const auto parsed = parse(value); !parsed) reader.error(name, parsed.error().message());
  };
  check("cpu", [](const std::string& text) { return parse_percent_milli(text); });
  check("memory", [](const std::string& text) { return parse_bytes(text); });
  reader.whole("cpu_weight", 1, 10'000, 100);
  reader.whole("io_weight", 1, 10'000, 100);
  reader.whole("pids", 1, 1'000'000, 1000);
  reader.done();
}

void check_offline(ObjectReader& in, FieldErrors& errors) {
  const Json* offline = in.object("offline");
  if (offline == nullptr) return;
  ObjectReader reader(*offline, in.path("offline"), errors);
  reader.choice("replace", {"after", "never"}, "after");
  reader.milli("patience_s", 0, 30.0 * 86'400, 0);
  reader.milli("stop_locally_after_s", 0, 30.0 * 86'400, 0);
  reader.choice("on_return", {"first_valid_result", "stop"}, "first_valid_result");
  reader.done();
}

}  // namespace

bool plain_name(const std::string& name) {
  if (name.empty() || name.size() > 128 || name[0] == '.' || name[0] == '-') return false;
  return std::ranges::none_of(
             name, [](unsigned char c) { return c < 0x20 || c == 0x7f || c == '/' || c == '\\'; }) &&
         printable(name) == name;
}

bool is_sha256(const std::string& text) {
  return text.size() == 64 &&
         std::ranges::all_of(text, [](char c) { return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'f'); });
}

OfflinePolicy offline_policy(const Json& document) {
  OfflinePolicy out;
  const auto found = document.find("offline");
  if (found == document.end()) return out;
  FieldErrors ignored;
  ObjectReader reader(*found, "", ignored);
  out.replace = reader.choice("replace", {"after", "never"}, "after") == "after";
  out.patience_ms = reader.milli("patience_s", 0, 30.0 * 86'400, 0);
  out.stop_on_return =
      reader.choice("on_return", {"first_valid_result", "stop"}, "first_valid_result") == "stop";
  return out;
}

JobSpec read_spec(const Json& json, const std::string& path, FieldErrors& errors) {
  ObjectReader in(json, path, errors);
  JobSpec out;
  out.type = in.text("type", 1, 64);
  out.name = in.text("name", 0, 128);
  out.tenant = in.text("tenant", 0, 64);
  out.queue = in.choice("queue", words_of(kQueues), "default");
  out.priority = in.choice("priority", words_of(kPriorities), "medium");
  in.object("params");
  in.text("input", 0, 4096);
  in.text("output", 0, 4096);
  in.texts("outputs", 64, 4096);
  out.inputs = read_inputs(in, errors);
  in.pairs("labels", 32, 128);
  check_limits(in, errors);
  check_offline(in, errors);
  if (const Json* require = in.object("require"))
    out.needs = read_needs(*require, in.path("require"), errors);
  out.needs.type = out.type;
  out.after = in.texts("after", 64, 64);
  out.not_before = in.moment("not_before");
  out.deadline = in.moment("deadline");
  out.run_timeout_ms = in.milli("run_timeout_s", 0.001, kYearMs / 1000.0, 0);
  out.progress_timeout_ms = in.milli("progress_timeout_s", 0.001, kYearMs / 1000.0, 0);
  out.max_attempts = in.whole("max_attempts", 1, 100, 3);
  out.count = in.whole("count", 1, 10'000, 1);
  in.done();
  if (out.deadline != 0 && out.not_before >= out.deadline) in.error("deadline", "must be after not_before");
  if (out.count > 1 && !out.inputs.empty())
    in.error("inputs", "cannot be uploaded to an array; use \"input\"");

  // The fields that decide when and where are columns; the rest travels to the agent as it was written.
  out.document = Json::object();
  if (json.is_object())
    for (const char* name : {"type", "name", "params", "input", "output", "outputs", "inputs", "labels",
                             "limits", "offline", "require", "run_timeout_s", "progress_timeout_s"})
      if (const auto found = json.find(name); found != json.end()) out.document[name] = *found;
  return out;
}

void check_schema(const Json& schema, const std::string& path, FieldErrors& errors) {
  if (!schema.is_object()) {
    errors.push_back({path, "must be an object"});
    return;
  }
  for (const auto& [name, rule] : schema.items()) {
    ObjectReader in(rule, path + "." + printable(name.substr(0, 60)), errors);
    in.choice("type", {"string", "integer", "number", "boolean", "any"}, "any");
    in.texts("enum", 256, 128);
    in.any("min");
    in.any("max");
    in.any("default");
    in.flag("required", false);
    in.text("help", 0, 512);
    in.done();
  }
}

namespace {
void check_param(const Json& value, const Json& rule, const std::string& path, FieldErrors& errors) {
  const std::string type = text_or(rule, "type", "any");
  const bool right = type == "any" || (type == "string" && value.is_string()) ||
                     (type == "integer" && value.is_number_integer()) ||
                     (type == "number" && value.is_number()) || (type == "boolean" && value.is_boolean());
  if (!right) {
    errors.push_back({path, "must be of type " + type});
    return;
  }
  if (const auto among = rule.find("enum"); among != rule.end() && among->is_array() && value.is_string()) {
    std::vector<std::string> list;
    for (const Json& one : *among)
      if (one.is_string()) list.push_back(one.get<std::string>());
    const auto text = value.get<std::string>();
    if (std::ranges::find(list, text) == list.end()) {
      const auto near = nearest(text, list);
      errors.push_back(
          {path, "must be one of " + join(list, ", ") + (near ? "; did you mean \"" + *near + "\"?" : "")});
    }
  }
  if (!value.is_number()) return;
  const auto bound = [&](const char* name, bool upper) {
    const auto found = rule.find(name);
    if (found == rule.end() || !found->is_number()) return;
    if (upper ? value.get<double>() > found->get<double>() : value.get<double>() < found->get<double>())
      errors.push_back({path, std::string("must be ") + (upper ? "at most " : "at least ") + found->dump()});
  };
  bound("min", false);
  bound("max", true);
}
}  // namespace

void check_params(const Json& params, const Json& schema, const std::string& path, FieldErrors& errors) {
  if (!schema.is_object() || schema.empty()) return;
  std::vector<std::string> names;
  for (const auto& [name, rule] : schema.items()) {
    names.push_back(name);
    const auto given = params.is_object() ? params.find(name) : params.end();
    if (!params.is_object() || given == params.end()) {
      if (at_or_null(rule, "required") == Json(true)) errors.push_back({path + "." + name, "is required"});
    } else if (rule.is_object()) {
      check_param(*given, rule, path + "." + name, errors);
    }
  }
  if (!params.is_object()) return;
  for (const auto& [name, value] : params.items()) {
    if (schema.contains(name)) continue;
    const auto near = nearest(name, names);
    errors.push_back(
        {path + "." + printable(name.substr(0, 60)),
         near ? "is not known; did you mean \"" + *near + "\"?" : "is not a parameter of this type"});
  }
}

namespace {
Json redact_value(const std::string& name, const Json& value) {
  if (value.is_string()) {
    // "stream_key": "abc" is a secret by its name, a URL by its shape: redact() knows both.
    const auto text = value.get<std::string>();
    if (!name.empty() && redact(name + "=" + text) == name + "=***") return "***";
    return redact_text(text);
  }
  if (value.is_object()) {
    Json out = Json::object();
    for (const auto& [key, inner] : value.items()) out[key] = redact_value(key, inner);
    return out;
  }
  if (value.is_array()) {
    Json out = Json::array();
    for (const Json& inner : value) out.push_back(redact_value(name, inner));
    return out;
  }
  return value;
}
}  // namespace

Json redacted(const Json& document) {
  Json out = Json::object();
  for (const auto& [key, value] : document.items())
    out[key] = key == "params" || key == "input" || key == "output" || key == "outputs" || key == "name" ||
                       key == "labels"
                   ? redact_value(key, value)
                   : value;
  return out;
}

}  // namespace ffrtmp::queue
