#include "agent/prepare.h"

#include <algorithm>

#include "agent/roots.h"
#include "media/location.h"
#include "net/url_guard.h"
#include "queue/spec.h"
#include "sys/redact.h"
#include "sys/text.h"

namespace ffrtmp::agent {

namespace {

std::unexpected<Refusal> refuse(const char* failure_class, const std::string& reason) {
  return std::unexpected(Refusal{failure_class, printable(redact_text(reason.substr(0, 1500)))});
}

bool is_web(const std::string& text) { return text.starts_with("http://") || text.starts_with("https://"); }

/// The last part of a URL's path as the name of a file; "input" where it has none that would do.
std::string name_in(const std::string& url, size_t index) {
  const size_t end = std::min(url.find('?'), url.find('#'));
  const std::string plain = url.substr(0, end);
  const std::string name = plain.substr(plain.rfind('/') + 1);
  const bool fits =
      queue::plain_name(name) && name.find('%') == std::string::npos && name != net::url_host(url);
  return fits ? name : "input-" + std::to_string(index);
}

/// URL#sha256=HEX: the fragment is no part of what the server is asked for.
Fetch fetch_of(const std::string& given, const std::string& folder, size_t index) {
  Fetch out;
  const size_t hash = given.find("#sha256=");
  out.url = given.substr(0, given.find('#'));
  if (hash != std::string::npos) out.sha256 = given.substr(hash + 8);
  out.name = name_in(out.url, index);
  out.path = folder + "/" + kInFolder + "/" + std::to_string(index) + "/" + out.name;
  return out;
}

/// What the type says of the input at a place; the last one may take many.
const InputSpec* input_at(const JobType& type, size_t index) {
  if (index < type.inputs.size()) return &type.inputs[index];
  return !type.inputs.empty() && type.inputs.back().many ? &type.inputs.back() : nullptr;
}

Or<std::string> input_argument(const std::string& given, const JobType& type, size_t index,
                               const Options& options, const std::string& folder,
                               std::vector<Fetch>& fetches) {
  const InputSpec* spec = input_at(type, index);
  if (!spec) return refuse("parameters", "one input too many: " + given);
  const auto scheme = scheme_of(given);
  if (!scheme) {
    if (!given.starts_with("/"))
      return refuse("input", "the input is no absolute path and no address: " + given);
    auto path = inside_roots(given, options.input_roots);
    // Another node may have it, or may be allowed to read it.
    if (!path) return refuse("input", path.error().message());
    return *path;
  }
  if (!options.allow_inward)
    if (const auto outward = net::check_outward(given); !outward)
      return refuse("input", outward.error().message());
  const bool live = std::ranges::find(spec->schemes, *scheme) != spec->schemes.end();
  if (live) return given;
  if (!is_web(given)) return refuse("input", "an address that this type does not take: " + given);
  const Fetch fetch = fetch_of(given, folder, index);
  if (!fetch.sha256.empty() && !queue::is_sha256(fetch.sha256))
    return refuse("input", "#sha256= wants 64 lower-case hex digits");
  fetches.push_back(fetch);
  return fetch.path;
}

Or<std::string> output_argument(const std::string& given, const OutputSpec& spec, size_t index,
                                const Options& options, const std::string& folder) {
  const auto scheme = scheme_of(given);
  const bool live = scheme && std::ranges::find(spec.schemes, *scheme) != spec.schemes.end();
  if (scheme && !options.allow_inward)
    if (const auto outward = net::check_outward(given); !outward)
      return refuse("parameters", outward.error().message());
  if (live) return given;
  if (is_web(given)) {
    if (spec.kind == OutputSpec::Kind::folder)
      return refuse("parameters", "a folder cannot be put to one address");
    return folder + "/" + kPutFolder + "/" + std::to_string(index) + "/" + name_in(given, index);
  }
  if (scheme) return refuse("parameters", "an address that this type does not make: " + given);
  if (given.starts_with("/")) {
    auto path = output_inside_roots(given, options.output_roots);
    if (!path) return refuse(path.error().errnum == EACCES ? "parameters" : "node", path.error().message());
    return *path;
  }
  if (!queue::plain_name(given))
    return refuse("parameters", "the output is no plain name, no absolute path and no address: " + given);
  return folder + "/" + kOutFolder + "/" + given;
}

/// Where an output goes of which the job says nothing: to the master.
std::string usual_output(const OutputSpec& spec, const std::string& folder) {
  std::string name = spec.name;
  if (!spec.extensions.empty()) name += "." + spec.extensions[0];
  return folder + "/" + kOutFolder + "/" + name;
}

Or<std::string> parameter_text(const std::string& name, const Json& value) {
  if (value.is_string()) return value.get<std::string>();
  if (value.is_boolean()) return std::string(value.get<bool>() ? "true" : "false");
  if (value.is_number()) return value.dump();
  if (value.is_array()) {
    std::vector<std::string> parts;
    for (const Json& item : value) {
      if (item.is_structured() || item.is_null())
        return refuse("parameters", name + ": a list of plain values");
      parts.push_back(item.is_string() ? item.get<std::string>() : item.dump());
    }
    return join(parts, ",");
  }
  return refuse("parameters", name + ": a text, a number, a truth value or a list");
}

Or<bool> add_parameters(const JobType& type, const Json& params, Json& request) {
  request["parameters"] = Json::object();
  if (!params.is_object()) return true;
  for (const auto& [name, value] : params.items()) {
    const ParameterSpec* spec = type.parameter(name);
    if (spec && spec->rest) {
      if (!value.is_array()) return refuse("parameters", name + ": a list of texts");
      for (const Json& word : value) {
        if (!word.is_string()) return refuse("parameters", name + ": a list of texts");
        request["rest"].push_back(word);
      }
      continue;
    }
    if (value.is_null()) continue;
    auto text = parameter_text(name, value);
    if (!text) return std::unexpected(text.error());
    if (spec)
      if (const auto parsed = parse_parameter(*spec, *text); !parsed)
        return refuse("parameters", parsed.error().message());
    request["parameters"][name] = *text;
  }
  return true;
}

/// `ffrtmp jobs submit TYPE FILE` names the file that it uploads as the input too: it is one, not two.
bool is_uploaded(const Json& spec, const std::string& name) {
  const Json& uploaded = at_or_null(spec, "inputs");
  return uploaded.is_array() &&
         std::ranges::any_of(uploaded, [&](const Json& file) { return text_or(file, "name") == name; });
}

/// The shorter of the job's own time limit and its type's, in seconds; 0 for none.
double timeout_of(const Attempt& attempt, const JobType& type) {
  const Json& own = at_or_null(attempt.spec, "run_timeout_s");
  double out = own.is_number() ? own.get<double>() : 0;
  if (type.timeout) {
    const double types = seconds_of(*type.timeout);
    out = out > 0 ? std::min(out, types) : types;
  }
  return out;
}

}  // namespace

Or<Prepared> prepare(const Attempt& attempt, const JobType& type, const Options& options,
                     const std::string& folder) {
  if (!type.on_agents && !options.allow_exec)
    return refuse("capability", "this node does not take jobs of type " + type.name + " (allow-exec)");
  Prepared out;
  out.request = {
      {"type", type.name}, {"inputs", Json::array()}, {"outputs", Json::array()}, {"rest", Json::array()}};
  std::vector<std::string> inputs, outputs;
  if (const std::string input = text_or(attempt.spec, "input");
      !input.empty() && !is_uploaded(attempt.spec, input))
    inputs.push_back(input);
  if (const std::string output = text_or(attempt.spec, "output"); !output.empty()) outputs.push_back(output);
  if (const Json& more = at_or_null(attempt.spec, "outputs"); more.is_array())
    for (const Json& one : more)
      if (one.is_string()) outputs.push_back(one.get<std::string>());
  for (size_t i = 0; i < inputs.size(); i++) {
    auto argument = input_argument(inputs[i], type, i, options, folder, out.fetches);
    if (!argument) return std::unexpected(argument.error());
    out.request["inputs"].push_back(*argument);
  }
  if (const Json& uploaded = at_or_null(attempt.spec, "inputs"); uploaded.is_array())
    for (const Json& file : uploaded) {
      Fetch fetch;
      fetch.name = text_or(file, "name");
      if (!queue::plain_name(fetch.name)) return refuse("input", "not the name of a file: " + fetch.name);
      const size_t index = out.request["inputs"].size();
      if (!input_at(type, index)) return refuse("parameters", "one input too many: " + fetch.name);
      fetch.path = folder + "/" + kInFolder + "/" + std::to_string(index) + "/" + fetch.name;
      fetch.sha256 = text_or(file, "sha256");
      fetch.size = static_cast<int64_t>(whole_or(file, "size", 0));
      out.request["inputs"].push_back(fetch.path);
      out.fetches.push_back(std::move(fetch));
    }
  if (outputs.size() > type.outputs.size())
    return refuse("parameters", "one output too many: " + outputs[type.outputs.size()]);
  for (size_t i = 0; i < type.outputs.size(); i++) {
    const OutputSpec& spec = type.outputs[i];
    if (i < outputs.size()) {
      auto argument = output_argument(outputs[i], spec, i, options, folder);
      if (!argument) return std::unexpected(argument.error());
      out.request["outputs"].push_back(*argument);
    } else if (spec.kind == OutputSpec::Kind::url && spec.required) {
      return refuse("parameters", "the output " + spec.name + " is required: " + spec.help);
    } else if (spec.kind == OutputSpec::Kind::file || spec.kind == OutputSpec::Kind::folder) {
      if (!spec.required && spec.default_path.empty()) break;
      out.request["outputs"].push_back(usual_output(spec, folder));
    } else {
      break;  // text goes into the result; what follows it has no place of its own
    }
  }
  if (auto added = add_parameters(type, at_or_null(attempt.spec, "params"), out.request); !added)
    return std::unexpected(added.error());
  auto limits = limit_flags(attempt, type, options);
  if (!limits) return std::unexpected(limits.error());
  out.arguments = {"--detach",      "--quiet",
                   "--job-id",      attempt.run_id,
                   "--log",         folder + "/" + kLogName,
                   "--log-max",     std::to_string(options.log_bytes),
                   "--result-file", folder + "/" + kResultName};
  if (const double seconds = timeout_of(attempt, type); seconds > 0) {
    char text[32];
    snprintf(text, sizeof text, "%.3fs", seconds);
    out.arguments.insert(out.arguments.end(), {"--timeout", text});
  }
  out.arguments.insert(out.arguments.end(), limits->begin(), limits->end());
  return out;
}

}  // namespace ffrtmp::agent
