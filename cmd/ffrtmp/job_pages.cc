#include "job_pages.h"

#include <algorithm>

#include "print.h"
#include "sys/redact.h"
#include "sys/text.h"
#include "types/expr.h"

namespace ffrtmp {

namespace {

std::string default_text(const ParameterSpec& spec) {
  if (spec.default_value.is_null()) return spec.required ? "required" : "";
  if (spec.default_value.is_string() && spec.default_value.get<std::string>().find("${") != std::string::npos)
    return "default: depends on the input and output";
  const auto text = text_of(spec.default_value);
  return text && !text->empty() ? "default " + *text : "";
}

std::string input_text(const InputSpec& spec) {
  std::string out = spec.folder ? "a folder" : spec.file ? "a file" : "";
  if (!spec.schemes.empty())
    out += (out.empty() ? "an address: " : " or an address: ") + join(spec.schemes, ", ");
  if (spec.many) out += "; any number";
  if (!spec.required) out += "; optional";
  if (!spec.needs.empty()) out += "; with " + spec.needs;
  return out;
}

std::string output_text(const OutputSpec& spec) {
  switch (spec.kind) {
    case OutputSpec::Kind::folder: return "a folder";
    case OutputSpec::Kind::url: return "an address: " + join(spec.schemes, ", ");
    case OutputSpec::Kind::text: return "a file; on standard output without -o";
    case OutputSpec::Kind::file: break;
  }
  return spec.extensions.empty() ? "a file" : "a file: ." + join(spec.extensions, " .");
}

}  // namespace

std::string type_page(const JobType& type) {
  std::string usage = "ffrtmp job " + type.name;
  for (const auto& input : type.inputs) {
    std::string word = input.name;
    for (char& c : word) c = static_cast<char>(std::toupper(static_cast<unsigned char>(c)));
    word += input.many ? "..." : "";
    usage += input.required ? " " + word : " [" + word + "]";
  }
  for (const auto& output : type.outputs) usage += output.required ? " -o PATH" : " [-o PATH]";
  if (!type.parameters.empty()) usage += " [-p KEY=VALUE...]";
  for (const auto& spec : type.parameters)
    if (spec.rest) usage += " -- " + spec.name + "...";
  std::string out =
      usage + "\n" + type.summary + " (version " + std::to_string(type.version) + ", " + type.source + ")\n";
  if (!type.description.empty()) out += "\n" + std::string(trim(type.description)) + "\n";
  std::vector<std::vector<std::string>> rows;
  for (const auto& input : type.inputs) rows.push_back({"  " + input.name, input_text(input), input.help});
  if (!rows.empty()) out += "\ninputs\n" + table(rows);
  rows.clear();
  for (const auto& output : type.outputs)
    rows.push_back({"  -o (" + output.name + ")", output_text(output), output.help});
  if (!rows.empty()) out += "\noutputs\n" + table(rows);
  rows.clear();
  for (const auto& spec : type.parameters)
    rows.push_back({"  " + spec.name, expectation(spec), default_text(spec), spec.help});
  if (!type.engines.empty())
    rows.push_back({"  engine", "one of auto, " + join(type.engines, ", "), "default auto", "what runs it"});
  if (!rows.empty()) out += "\nparameters (-p KEY=VALUE)\n" + table(rows);
  if (!type.tools.empty()) out += "\nneeds " + join(type.tools, ", ") + "\n";
  if (type.live.live)
    out += std::string("\nlive: restart ") +
           (type.live.restart == RestartPolicy::always ? "always"
            : type.live.restart == RestartPolicy::no   ? "no"
                                                       : "on-failure") +
           (type.live.stall ? ", stalled after " + format_duration(*type.live.stall) : "") + "\n";
  return out;
}

Json type_json(const JobType& type) {
  Json parameters = Json::array(), inputs = Json::array(), outputs = Json::array();
  for (const auto& spec : type.parameters)
    parameters.push_back({{"name", spec.name},
                          {"type", parameter_kind_name(spec.kind)},
                          {"required", spec.required},
                          {"default", spec.default_value},
                          {"min", or_null(spec.least)},
                          {"max", or_null(spec.most)},
                          {"choices", spec.choices},
                          {"help", spec.help}});
  for (const auto& spec : type.inputs)
    inputs.push_back({{"name", spec.name},
                      {"file", spec.file},
                      {"schemes", spec.schemes},
                      {"many", spec.many},
                      {"required", spec.required},
                      {"help", spec.help}});
  for (const auto& spec : type.outputs)
    outputs.push_back({{"name", spec.name},
                       {"kind", spec.kind == OutputSpec::Kind::file     ? "file"
                                : spec.kind == OutputSpec::Kind::folder ? "folder"
                                : spec.kind == OutputSpec::Kind::url    ? "url"
                                                                        : "text"},
                       {"schemes", spec.schemes},
                       {"extensions", spec.extensions},
                       {"required", spec.required},
                       {"help", spec.help}});
  return {{"name", type.name},        {"version", type.version}, {"summary", type.summary},
          {"source", type.source},    {"engines", type.engines}, {"live", type.live.live},
          {"agents", type.on_agents}, {"inputs", inputs},        {"outputs", outputs},
          {"parameters", parameters}};
}

std::string plan_page(const JobPlan& plan) {
  std::string out;
  for (const auto& note : plan.notes) out += "# " + printable(note) + "\n";
  for (const auto& step : plan.steps)
    for (const auto& arguments : step.commands) {
      const auto command = redact(full_command(step, arguments, ""));
      if (!step.unless.empty()) out += "# unless " + printable(step.unless) + " is there:\n";
      out += step.builtin.empty() ? shell_quote(command)
                                  : "# built in: " + step.builtin + " " + printable(shell_quote(command));
      if (!step.out.empty()) out += " > " + shell_quote(step.out);
      out += "\n";
    }
  for (const auto& output : plan.outputs)
    if (output.temp != output.final && !output.final.empty())
      out += "# then, when it passed verification (" + plan.verify + "):\nmv -T -- " +
             shell_quote(output.temp) + " " + shell_quote(output.final) + "\n";
  return out;
}

Json redacted(const Json& json) {
  if (json.is_string()) return redact(json.get<std::string>());
  if (!json.is_structured()) return json;
  Json out = json;
  if (json.is_array() && std::ranges::all_of(json, [](const Json& item) { return item.is_string(); }))
    return redact(json.get<std::vector<std::string>>());
  for (auto& [key, value] : out.items()) value = redacted(value);
  return out;
}

}  // namespace ffrtmp
