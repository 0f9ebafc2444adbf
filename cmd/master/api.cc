#include "api.h"

#include <zlib.h>

#include <algorithm>
#include <map>

#include "log.h"
#include "net/digest.h"
#include "sys/text.h"

namespace ffrtmp::master {

namespace {

constexpr size_t kGzipFrom = 1400;

using Parts = std::vector<std::string_view>;

/// The routes with their patterns cut into parts, once: every request is held against all of them.
struct CutRoute {
  const Route* route;
  Parts parts;
};
const std::vector<CutRoute>& cut_routes() {
  static const std::vector<CutRoute> kCut = [] {
    std::vector<CutRoute> out;
    for (const Route& route : routes()) out.push_back({&route, split(std::string_view(route.pattern), '/')});
    return out;
  }();
  return kCut;
}

bool fits(const Parts& pattern, const Parts& path) {
  if (pattern.size() != path.size()) return false;
  for (size_t i = 0; i < path.size(); i++)
    if (pattern[i].starts_with("{") ? path[i].empty() : pattern[i] != path[i]) return false;
  return true;
}

/// What stands in the path where the pattern is open.
std::vector<std::string> open_parts(const Parts& pattern, const Parts& path) {
  std::vector<std::string> out;
  for (size_t i = 0; i < path.size(); i++)
    if (pattern[i].starts_with("{")) out.emplace_back(path[i]);
  return out;
}

std::string request_id(const net::Request& request) {
  const std::string& given = request.header("x-request-id");
  const bool plain = !given.empty() && given.size() <= 64 && std::ranges::all_of(given, [](char c) {
    return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '-' ||
           c == '_' || c == '.';
  });
  return plain ? given : net::random_hex(8);
}

std::string gzip(const std::string& text) {
  z_stream z{};
  if (deflateInit2(&z, Z_BEST_SPEED, Z_DEFLATED, 15 + 16, 8, Z_DEFAULT_STRATEGY) != Z_OK) return "";
  std::string out(deflateBound(&z, text.size()), '\0');
  z.next_in = reinterpret_cast<Bytef*>(const_cast<char*>(text.data()));
  z.avail_in = static_cast<uInt>(text.size());
  z.next_out = reinterpret_cast<Bytef*>(out.data());
  z.avail_out = static_cast<uInt>(out.size());
  const int code = deflate(&z, Z_FINISH);
  out.resize(z.total_out);
  deflateEnd(&z);
  return code == Z_STREAM_END ? out : "";
}

bool role_allowed(unsigned allow, const std::string& role) {
  return ((allow & Allow::admin) != 0 && role == "admin") ||
         ((allow & Allow::submit) != 0 && role == "submit") ||
         ((allow & Allow::worker) != 0 && role == "worker") || ((allow & Allow::node) != 0 && role == "node");
}

net::Response too_many(App& app, const char* why, int64_t wait_ms) {
  app.metrics.count("http_rate_limited");
  net::Response out = problem(429, "", why);
  out.headers.emplace_back("Retry-After", std::to_string((wait_ms + 999) / 1000));
  return out;
}

Answer admit(const std::shared_ptr<Call>& call, const Route& route) {
  if (route.allow == Allow::anybody) return route.handle(call);
  App& app = call->app;
  Authentication found = authenticate(app, call->request);
  if (found.status == 401) {
    // Guessing is slowed down by address; it never slows those who hold a key.
    if (const int64_t wait = app.limits.take("guess " + call->request.peer, monotonic_ms()); wait > 0)
      return too_many(app, "too many attempts without a valid key", wait);
    net::Response out = problem(401, "", found.detail);
    out.headers.emplace_back("WWW-Authenticate", "Bearer realm=\"ffrtmp\"");
    return out;
  }
  if (found.status != 0) {
    net::Response out = problem(found.status, "", found.detail);
    out.headers.emplace_back("Retry-After", "2");
    return out;
  }
  call->who = found.who;
  if (!role_allowed(route.allow, call->who.role))
    return problem(403, "", "a " + call->who.role + " may not do this");
  // A node speaks for itself only.
  if (call->who.role == "node" && std::string_view(route.pattern).starts_with("/api/v1/nodes/{id}") &&
      call->path[0] != call->who.id)
    return problem(403, "", "a node may only speak for itself");
  if (!call->exchange->claim_connection(call->who.id, static_cast<size_t>(app.connections_per_key))) {
    net::Response out = too_many(app, "this key has too many connections", 5000);
    out.close = true;
    return out;
  }
  if (const int64_t wait = app.limits.take(call->who.id, monotonic_ms()); wait > 0)
    return too_many(app, "too many requests with this key", wait);
  if (!app.limits.enter(call->who.id)) return too_many(app, "too many requests of this key are open", 1000);
  call->entered = true;
  return route.handle(call);
}

}  // namespace

Status App::write(const store::Body& body) {
  Status result = db->write(body);
  if (result) bell.ring();
  return result;
}

void EventBell::ring() {
  count_++;
  const std::lock_guard lock(mutex_);
  for (auto& action : actions_) action();
}

void EventBell::on_ring(std::function<void()> action) {
  const std::lock_guard lock(mutex_);
  actions_.push_back(std::move(action));
}

const char* title_of(int status) {
  switch (status) {
    case 400: return "Bad Request";
    case 401: return "Unauthorized";
    case 403: return "Forbidden";
    case 404: return "Not Found";
    case 405: return "Method Not Allowed";
    case 409: return "Conflict";
    case 413: return "Content Too Large";
    case 416: return "Range Not Satisfiable";
    case 415: return "Unsupported Media Type";
    case 422: return "Unprocessable Content";
    case 429: return "Too Many Requests";
    case 503: return "Service Unavailable";
    case 507: return "Insufficient Storage";
    default: return "Internal Server Error";
  }
}

net::Response json(int status, const Json& body) {
  net::Response out;
  out.status = status;
  out.body = dump_json(body) + "\n";
  return out;
}

net::Response problem(int status, const std::string& title, const std::string& detail,
                      const FieldErrors& errors) {
  Json body;
  body["type"] = "about:blank";
  body["title"] = title.empty() ? title_of(status) : title;
  body["status"] = status;
  if (!detail.empty()) body["detail"] = detail;
  if (!errors.empty()) {
    Json list = Json::array();
    for (const auto& error : errors) {
      Json one;
      one["field"] = error.field;
      one["detail"] = error.detail;
      list.push_back(one);
      if (list.size() >= 50) break;
    }
    body["errors"] = list;
  }
  net::Response out = json(status, body);
  out.type = "application/problem+json";
  return out;
}

net::Response failure(const Error& error) {
  const auto with_retry = [](net::Response out) {
    out.headers.emplace_back("Retry-After", "2");
    return out;
  };
  switch (store::fault_of(error)) {
    case store::Fault::unavailable:
      log(Level::warning, "database unavailable", {{"error", error.message()}});
      return with_retry(
          problem(503, "", "the database does not answer; nothing was changed that was not acknowledged"));
    case store::Fault::full:
      log(Level::error, "database full", {{"error", error.message()}});
      return problem(507, "", "the disk of the master is full; nothing was accepted");
    case store::Fault::read_only:
      log(Level::error, "database read-only", {{"error", error.message()}});
      return with_retry(problem(503, "", "the database cannot be written"));
    case store::Fault::duplicate: return problem(409, "", error.message());
    case store::Fault::corrupt:
      log(Level::error, "database damaged", {{"error", error.message()}});
      return problem(500, "", "the database is damaged");
    default: break;
  }
  if (error.errnum == ENOENT) return problem(404, "", error.step + " " + printable(error.object));
  if (error.errnum == EBUSY)
    return problem(409, "", error.step + " " + printable(error.object) + ": " + error.hint);
  if (error.errnum == EINVAL || error.errnum == 0) {
    FieldErrors fields;
    if (error.object.find_first_of("[.") != std::string::npos)
      fields.push_back({error.object, error.step + " " + error.hint});
    return problem(422, "", error.step + (error.hint.empty() ? "" : " " + error.hint), fields);
  }
  log(Level::error, "request failed", {{"error", error.message()}});
  return problem(500, "", "see the master's log");
}

std::optional<Json> body_json(const Call& call, net::Response& refused) {
  const std::string& type = call.request.header("content-type");
  if (!call.request.header("content-encoding").empty()) {
    refused = problem(415, "", "a compressed body is not taken");
    return std::nullopt;
  }
  if (call.request.body.empty()) return Json::object();
  if (!type.empty() && !type.starts_with("application/json")) {
    refused = problem(415, "", "the body must be application/json");
    return std::nullopt;
  }
  auto parsed = parse_strange_json(call.request.body);
  if (!parsed) {
    refused = problem(400, "", parsed.error().message());
    return std::nullopt;
  }
  return std::move(*parsed);
}

std::optional<int64_t> number_param(const Call& call, const char* name, int64_t least, int64_t most,
                                    int64_t fallback, FieldErrors& errors) {
  const auto text = call.request.param(name);
  if (!text) return fallback;
  const auto number = parse_i64(*text);
  if (number && *number >= least && *number <= most) return *number;
  errors.push_back({std::string("?") + name,
                    "must be a number from " + std::to_string(least) + " to " + std::to_string(most)});
  return std::nullopt;
}

void check_params(const Call& call, const std::vector<std::string>& known, FieldErrors& errors) {
  for (const auto& [name, value] : call.request.query) {
    if (std::ranges::find(known, name) != known.end()) continue;
    const auto near = nearest(name, known);
    errors.push_back({"?" + printable(name.substr(0, 60)),
                      near ? "is not known; did you mean \"" + *near + "\"?" : "is not known"});
  }
}

void finish(const std::shared_ptr<Call>& call, net::Response response) {
  net::Request& request = call->request;
  response.headers.emplace_back("X-Request-Id", call->id);
  response.headers.emplace_back("Cache-Control", "no-store");
  response.headers.emplace_back("X-Content-Type-Options", "nosniff");
  if (call->app.draining) response.close = true;
  const bool text = !response.file && !response.stream;
  if (text && request.method == "GET" && response.status == 200) {
    const std::string tag = "\"" + net::sha256_hex(response.body).substr(0, 20) + "\"";
    response.headers.emplace_back("ETag", tag);
    const std::string& known = request.header("if-none-match");
    if (!known.empty() && (known == "*" || known.find(tag) != std::string::npos)) {
      response.status = 304;
      response.body.clear();
    }
  }
  if (text && response.body.size() >= kGzipFrom &&
      request.header("accept-encoding").find("gzip") != std::string::npos) {
    if (std::string packed = gzip(response.body); !packed.empty()) {
      response.body = std::move(packed);
      response.headers.emplace_back("Content-Encoding", "gzip");
      response.headers.emplace_back("Vary", "Accept-Encoding");
    }
  }
  const int64_t took = monotonic_ms() - call->began_ms;
  call->app.metrics.request(call->route, response.status, static_cast<double>(took) / 1000);
  if (call->entered) call->app.limits.leave(call->who.id);
  if (const Level level = response.status >= 500 ? Level::warning : Level::debug; logged(level))
    log(level, "request",
        {{"id", call->id},
         {"method", request.method},
         {"path", request.path},
         {"status", std::to_string(response.status)},
         {"ms", std::to_string(took)},
         {"who", call->who.id}});
  call->exchange->respond(std::move(response));
}

void serve(App& app, std::shared_ptr<net::Exchange> exchange) {
  auto call = std::make_shared<Call>(Call{
      app, exchange, exchange->request, {}, {}, request_id(exchange->request), "(none)", monotonic_ms()});
  const net::Request& request = exchange->request;
  const std::string method = request.method == "HEAD" ? "GET" : request.method;
  std::string allowed;
  const Parts path = split(std::string_view(request.path), '/');
  for (const auto& [candidate, parts] : cut_routes()) {
    if (!fits(parts, path)) continue;
    const Route& route = *candidate;
    if (method != route.method) {
      if (allowed.find(route.method) == std::string::npos)
        allowed += (allowed.empty() ? "" : ", ") + std::string(route.method);
      continue;
    }
    call->path = open_parts(parts, path);
    call->route = std::string(route.method) + " " + route.pattern;
    Answer answer = admit(call, route);
    if (answer) finish(call, std::move(*answer));
    return;
  }
  net::Response refused = allowed.empty()
                              ? problem(404, "", "no such path: " + printable(request.path.substr(0, 120)))
                              : problem(405, "", "this path takes " + allowed);
  if (!allowed.empty()) refused.headers.emplace_back("Allow", allowed);
  finish(call, std::move(refused));
}

}  // namespace ffrtmp::master
