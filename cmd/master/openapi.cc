#include "openapi.h"

#include "api.h"
#include "schemas.h"
#include "sys/text.h"

namespace ffrtmp::master {

namespace {

Json ref(const std::string& name) { return Json{{"$ref", "#/components/schemas/" + name}}; }

std::string operation_id(const Route& route) {
  std::string out = route.method;
  for (char& c : out) c = static_cast<char>(c + 32);
  for (const auto part : split(std::string_view(route.pattern), '/')) {
    if (part.empty() || part == "api" || part == "v1") continue;
    std::string word(part);
    std::erase_if(word, [](char c) { return c == '{' || c == '}' || c == '.'; });
    word[0] = static_cast<char>(word[0] >= 'a' && word[0] <= 'z' ? word[0] - 32 : word[0]);
    out += word;
  }
  return out;
}

Json operation(const Route& route) {
  Json out;
  out["operationId"] = operation_id(route);
  out["summary"] = route.summary;
  Json roles = Json::array();
  const std::pair<unsigned, const char*> names[] = {
      {Allow::admin, "admin"}, {Allow::submit, "submit"}, {Allow::worker, "worker"}, {Allow::node, "node"}};
  for (const auto& [bit, name] : names)
    if ((route.allow & bit) != 0) roles.push_back(name);
  if (route.allow == Allow::anybody)
    out["security"] = Json::array();
  else
    out["x-roles"] = roles;
  Json parameters = Json::array();
  for (const auto part : split(std::string_view(route.pattern), '/')) {
    if (!part.starts_with("{")) continue;
    Json one;
    one["name"] = part.substr(1, part.size() - 2);
    one["in"] = "path";
    one["required"] = true;
    one["schema"] = Json{{"type", "string"}};
    parameters.push_back(one);
  }
  for (const auto& [name, where] : query_parameters(operation_id(route))) {
    Json one;
    one["name"] = name;
    one["in"] = where;
    one["schema"] = Json{{"type", "string"}};
    parameters.push_back(one);
  }
  if (!parameters.empty()) out["parameters"] = parameters;
  const std::string request = route.request;
  if (request == "Bytes")
    out["requestBody"]["content"]["application/octet-stream"]["schema"] =
        Json{{"type", "string"}, {"format", "binary"}};
  else if (!request.empty())
    out["requestBody"]["content"]["application/json"]["schema"] = ref(request);
  const bool created =
      std::string(route.method) == "POST" &&
      (std::string(route.response) == "KeyCreated" || std::string(route.response) == "Webhook" ||
       std::string(route.request) == "Submit" || std::string(route.request) == "Register") &&
      std::string(route.request) != "Replay";
  const char* code = created ? "201" : "200";
  out["responses"][code]["description"] = "done";
  if (*route.response != '\0')
    out["responses"][code]["content"]["application/json"]["schema"] = ref(route.response);
  out["responses"]["default"]["description"] = "refused: RFC 9457";
  out["responses"]["default"]["content"]["application/problem+json"]["schema"] = ref("Problem");
  return out;
}

}  // namespace

std::string openapi_document() {
  Json out;
  out["openapi"] = "3.1.0";
  out["info"]["title"] = "ffrtmp master";
  out["info"]["version"] = FFRTMP_VERSION;
  out["info"]["license"] = Json{{"name", "Apache-2.0"}, {"identifier", "Apache-2.0"}};
  out["security"] = Json::array({Json{{"bearer", Json::array()}}});
  for (const Route& route : routes()) {
    std::string method = route.method;
    for (char& c : method) c = static_cast<char>(c + 32);
    out["paths"][route.pattern][method] = operation(route);
  }
  out["components"]["securitySchemes"]["bearer"] = Json{{"type", "http"}, {"scheme", "bearer"}};
  out["components"]["schemas"] = schemas();
  return dump_json(out) + "\n";
}

}  // namespace ffrtmp::master
