#include "openapi.h"

#include <set>

#include "api.h"
#include "schemas.h"
#include "sys/text.h"

namespace ffrtmp::master {

namespace {

Json ref(const std::string& name) { return Json{{"$ref", "#/components/schemas/" + name}}; }

std::string operation_id(const Route& route) {
  std::string out = route.method;
  for (char& c : out) c = static_cast<char>(c + 32);
  const std::string_view pattern = route.pattern;
  const bool alias = pattern.ends_with("openapi.json");  // it is served in two places
  for (const auto part : split(pattern, '/')) {
    if (part.empty() || (!alias && (part == "api" || part == "v1"))) continue;
    std::string word(part);
    std::erase_if(word, [](char c) { return c == '{' || c == '}' || c == '.'; });
    word[0] = static_cast<char>(word[0] >= 'a' && word[0] <= 'z' ? word[0] - 32 : word[0]);
    out += word;
  }
  return out;
}

Json parameter(std::string_view name, const char* where, bool required) {
  Json out;
  out["name"] = name;
  out["in"] = where;
  if (required) out["required"] = true;
  out["schema"] = Json{{"type", "string"}};
  return out;
}

Json parameters(const Route& route) {
  Json out = Json::array();
  for (const auto part : split(std::string_view(route.pattern), '/'))
    if (part.starts_with("{")) out.push_back(parameter(part.substr(1, part.size() - 2), "path", true));
  for (const auto& [name, where] : query_parameters(operation_id(route)))
    out.push_back(parameter(name, where.c_str(), false));
  return out;
}

/// What a route gives when all is well.
Json content(const std::string& response) {
  const Json text{{"schema", {{"type", "string"}}}};
  Json out;
  if (response == "Text")
    out["text/plain"] = text;
  else if (response == "Octets")
    out["application/octet-stream"] = text;
  else if (response == "Metrics")
    out["application/openmetrics-text"] = text;
  else
    out["application/json"]["schema"] = ref(response);
  if (response == "EventPage") out["text/event-stream"] = text;
  return out;
}

/// The statuses with which a route may refuse.
std::set<int> refusals(const Route& route) {
  const std::string method = route.method, request = route.request, response = route.response;
  const bool writes = method != "GET";
  std::set<int> out{413, 500};
  if (route.allow != Allow::anybody) out.insert({401, 403, 429, 503});
  if (std::string_view(route.pattern).find('{') != std::string_view::npos) out.insert(404);
  if (writes) out.insert({409, 507});
  if (!request.empty() || !query_parameters(operation_id(route)).empty()) out.insert(422);
  if (!request.empty() && request != "Bytes") out.insert({400, 415});
  if (response == "Octets") out.insert({409, 416});
  return out;
}

Json responses(const Route& route) {
  const std::string id = operation_id(route), response = route.response;
  const bool created =
      id == "postJobs" || id == "postNodesRegister" || id == "postKeys" || id == "postWebhooks";
  Json out;
  const auto done = [&](const char* status, const char* what) {
    out[status]["description"] = what;
    out[status]["content"] = content(response);
  };
  done(created ? "201" : "200", "done");
  if (response == "Octets")
    done("206", "a part of it");
  else if (std::string_view(route.method) == "GET")
    out["304"]["description"] = "as it was (If-None-Match)";
  for (const int status : refusals(route))
    out[std::to_string(status)] = Json{{"$ref", "#/components/responses/" + std::to_string(status)}};
  const auto instead = [&](std::initializer_list<const char*> statuses, const char* type,
                           const char* schema) {
    for (const char* status : statuses) {
      Json one;
      one["description"] = "refused, and what stands instead";
      one["content"][type]["schema"] = ref(schema);
      out[status] = one;
    }
  };
  if (response == "FenceAnswers") instead({"404", "409", "422"}, "application/problem+json", "FenceProblem");
  if (response == "LogOffset") instead({"409"}, "application/problem+json", "OffsetProblem");
  if (id == "getReady") instead({"503"}, "application/json", "Health");
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
  if (Json list = parameters(route); !list.empty()) out["parameters"] = std::move(list);
  const std::string request = route.request;
  if (request == "Bytes")
    out["requestBody"]["content"]["application/octet-stream"]["schema"] = Json{{"type", "string"}};
  else if (!request.empty())
    out["requestBody"]["content"]["application/json"]["schema"] = ref(request);
  out["responses"] = responses(route);
  return out;
}

/// The refusals that many routes share, by status.
Json shared_refusals() {
  std::set<int> all;
  for (const Route& route : routes()) all.merge(refusals(route));
  Json out;
  for (const int status : all) {
    Json one;
    one["description"] = title_of(status);
    if (status == 429 || status == 503) {
      one["headers"]["Retry-After"]["description"] = "seconds";
      one["headers"]["Retry-After"]["schema"] = Json{{"type", "string"}};
    }
    one["content"]["application/problem+json"]["schema"] = ref("Problem");
    out[std::to_string(status)] = one;
  }
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
  out["components"]["responses"] = shared_refusals();
  out["components"]["schemas"] = schemas();
  return dump_json(out) + "\n";
}

}  // namespace ffrtmp::master
