#include "api.h"
#include "job_types.h"
#include "lease.h"
#include "log.h"
#include "net/digest.h"
#include "queue/rules.h"
#include "queue/spec.h"
#include "sys/clock.h"
#include "sys/text.h"

namespace ffrtmp::master {

namespace {

bool good_name(const std::string& name) {
  return queue::plain_name(name) && name.size() <= 64 && name.find_first_of("|%_ \"'") == std::string::npos;
}

/// Capabilities without the parameter schemas, and the schemas apart.
struct Capabilities {
  std::string caps;
  std::vector<std::pair<std::string, std::string>> types;
};
Capabilities read_capabilities(const Json& json, const std::string& path, FieldErrors& errors) {
  Capabilities out;
  queue::read_caps(json, path, errors);
  Json slim = json;
  if (json.is_object() && json.contains("types") && json["types"].is_array()) {
    Json names = Json::array();
    for (const Json& type : json["types"]) {
      if (type.is_string()) {
        names.push_back(type);
        out.types.emplace_back(type.get<std::string>(), "{}");
      } else if (type.is_object()) {
        ObjectReader in(type, path + ".types", errors);
        const std::string name = in.text("name", 1, 64);
        in.text("version", 0, 64);
        const Json* params = in.object("params");
        in.done();
        if (params != nullptr)
          queue::check_schema(*params, path + ".types." + printable(name) + ".params", errors);
        names.push_back(name);
        out.types.emplace_back(name, params == nullptr ? "{}" : dump_json(*params));
      }
    }
    slim["types"] = names;
  }
  out.caps = dump_json(slim);
  return out;
}

std::optional<store::Registration> read_registration(const Call& call, const Json& body, FieldErrors& errors,
                                                     bool fresh) {
  store::Registration out;
  ObjectReader in(body, "", errors);
  out.name = in.text("name", fresh ? 1 : 0, 64);
  out.boot_id = in.text("boot_id", 0, 64);
  out.version = in.text("version", 0, 64);
  out.nonce = in.text("nonce", 0, 128);
  if (!out.nonce.empty() && out.nonce.size() < 16)
    in.error("nonce", "must have at least 16 bytes, by chance");
  if (const Json* caps = in.object("capabilities")) {
    Capabilities read = read_capabilities(*caps, "capabilities", errors);
    out.caps = std::move(read.caps);
    out.types = std::move(read.types);
  } else {
    in.missing("capabilities");
  }
  in.done();
  if (!out.name.empty() && !good_name(out.name)) in.error("name", "must be letters, digits, '.' and '-'");
  out.lease = call.app.lease_ms();
  if (!errors.empty()) return std::nullopt;
  return out;
}

Json fence_json(const store::FenceAnswer& answer) {
  Json out;
  out["job"] = answer.job;
  out["attempt"] = answer.attempt;
  out["status"] = answer.status;
  if (!answer.state.empty()) out["state"] = answer.state;
  if (answer.status == 409) {
    out["current_attempt"] = answer.current;
    out["node"] = answer.node.empty() ? Json(nullptr) : Json(answer.node);
  }
  if (answer.duplicate) out["duplicate"] = true;
  if (answer.adopted) out["adopted"] = true;
  if (!answer.detail.empty()) out["detail"] = answer.detail;
  return out;
}

/// One item answers with its own status (409 with the winner's state); several answer 200 with a status each.
net::Response fences_response(const std::vector<store::FenceAnswer>& answers, bool single) {
  Json list = Json::array();
  for (const auto& answer : answers) list.push_back(fence_json(answer));
  Json out;
  out["jobs"] = list;
  if (!single || answers[0].status == 200) return json(200, out);
  net::Response refused = problem(answers[0].status, "", answers[0].detail);
  Json body = Json::parse(refused.body);
  body.update(list[0]);
  refused.body = dump_json(body) + "\n";
  return refused;
}

/// {"jobs": […]} or one item on its own; each is handed to `read` with its path.
template <class Item, class Read>
std::optional<std::vector<Item>> read_items(const Json& body, FieldErrors& errors, bool& single, Read read) {
  std::vector<Item> out;
  single = !(body.is_object() && body.contains("jobs"));
  if (single) {
    ObjectReader in(body, "", errors);
    out.push_back(read(in));
    in.done();
  } else {
    ObjectReader in(body, "", errors);
    if (const Json* list = in.array("jobs", 1000)) {
      for (size_t i = 0; i < list->size() && errors.size() < 20; i++) {
        ObjectReader item((*list)[i], "jobs[" + std::to_string(i) + "]", errors);
        out.push_back(read(item));
        item.done();
      }
    }
    in.done();
  }
  if (!errors.empty()) return std::nullopt;
  return out;
}

store::Beat::Item read_beat_item(ObjectReader& in) {
  store::Beat::Item out;
  out.job = in.text("job", 1, 64);
  out.attempt = in.whole("attempt", 1, INT32_MAX, 0);
  out.mark = in.whole("mark", 0, INT64_MAX, -1);
  out.delivering = in.flag("delivering", false);
  if (const Json* progress = in.object("progress")) {
    out.progress = dump_json(*progress);
    if (out.progress.size() > 16'384) in.error("progress", "must have at most 16384 bytes");
  }
  return out;
}

store::ResultIn read_result(ObjectReader& in) {
  store::ResultIn out;
  out.job = in.text("job", 1, 64);
  out.attempt = in.whole("attempt", 1, INT32_MAX, 0);
  out.outcome = in.choice("outcome", {"succeeded", "failed", "cancelled"}, "");
  if (out.outcome.empty()) in.missing("outcome");
  out.failure_class = in.choice("class", queue::failure_classes(), "unknown");
  out.reason = in.text("reason", 0, 2000);
  if (const Json* result = in.object("result")) {
    out.document = dump_json(*result);
    if (out.document.size() > 262'144) in.error("result", "must have at most 262144 bytes");
  }
  if (const Json* files = in.array("artifacts", 10'000)) {
    for (const Json& file : *files) {
      FieldErrors inner;
      ObjectReader one(file, in.path("artifacts"), inner);
      store::ResultIn::File read{one.text("name", 1, 128), one.text("sha256", 64, 64),
                                 one.whole("size", 0, INT64_C(1) << 44, 0)};
      one.done();
      for (const auto& error : inner) in.error("artifacts", error.field + " " + error.detail);
      out.artifacts.push_back(std::move(read));
    }
  }
  return out;
}

}  // namespace

net::Response second_agent() {
  return problem(
      409, "Two Agents",
      "another agent speaks as this node: two share one identity, and this one came later; register it "
      "anew, under a name of its own");
}

Answer register_node(std::shared_ptr<Call> call) {
  net::Response refused;
  const auto body = body_json(*call, refused);
  if (!body) return refused;
  FieldErrors errors;
  auto in = read_registration(*call, *body, errors, true);
  if (!in) return problem(422, "", "the registration is not right", errors);
  const Token token = make_token("ffn_", "n-");
  store::Node node;
  std::string id;
  const Status done = call->app.write([&](store::Tx& tx) -> Status {
    in->token_hash = net::sha256_hex(token.secret);
    TRY(node, store::register_node(tx, token.id, *in));
    return {};
  });
  if (!done) return failure(done.error());
  call->app.forget_auth();
  call->app.nodes_online++;
  JobTypes::forget();
  log(Level::info, "node registered", {{"node", node.id}, {"name", node.name}});
  Json out = store::node_json(node);
  out["token"] = "ffn_" + node.id + "_" + token.secret;
  out["heartbeat_ms"] = call->app.heartbeat_ms();
  out["lease_ms"] = call->app.lease_ms();
  return json(201, out);
}

Answer update_node(std::shared_ptr<Call> call) {
  net::Response refused;
  const auto body = body_json(*call, refused);
  if (!body) return refused;
  FieldErrors errors;
  auto in = read_registration(*call, *body, errors, false);
  if (!in) return problem(422, "", "the registration is not right", errors);
  Json out;
  const Status done = call->app.write([&](store::Tx& tx) -> Status {
    TRY_OK(store::update_node(tx, call->path[0], *in));
    TRY(const store::Node node, store::get_node(tx, call->path[0]));
    out = store::node_json(node);
    return {};
  });
  if (!done) return failure(done.error());
  JobTypes::forget();
  return json(200, out);
}

Answer rotate_node_token(std::shared_ptr<Call> call) {
  const Token token = make_token("ffn_", "n-");
  const Status done = call->app.write([&](store::Tx& tx) -> Status {
    TRY_OK(store::get_node(tx, call->path[0]));
    return store::rotate_token(tx, call->path[0], net::sha256_hex(token.secret), 600'000);
  });
  if (!done) return failure(done.error());
  call->app.forget_auth();
  Json out;
  out["id"] = call->path[0];
  out["token"] = "ffn_" + call->path[0] + "_" + token.secret;
  return json(200, out);
}

Answer list_nodes(std::shared_ptr<Call> call) {
  FieldErrors errors;
  check_params(*call, {"limit", "cursor"}, errors);
  const int64_t limit = number_param(*call, "limit", 1, 1000, 100, errors).value_or(100);
  if (!errors.empty()) return problem(422, "", "the query is not right", errors);
  Json out;
  const Status done = call->app.read([&](store::Tx& tx) -> Status {
    TRY(const auto nodes, store::list_nodes(tx, call->request.param("cursor").value_or(""), limit + 1));
    Json list = Json::array();
    for (size_t i = 0; i < nodes.size() && i < static_cast<size_t>(limit); i++)
      list.push_back(store::node_json(nodes[i]));
    out["nodes"] = list;
    out["next"] = nodes.size() > static_cast<size_t>(limit) ? Json(nodes[static_cast<size_t>(limit) - 1].name)
                                                            : Json(nullptr);
    return {};
  });
  if (!done) return failure(done.error());
  return json(200, out);
}

Answer get_node(std::shared_ptr<Call> call) {
  Json out;
  const Status done = call->app.read([&](store::Tx& tx) -> Status {
    TRY(const store::Node node, store::get_node(tx, call->path[0]));
    out = store::node_json(node);
    store::ListFilter filter;
    filter.state = "active";
    filter.node = node.id;
    filter.limit = 1000;
    if (call->who.role == "submit") filter.tenant = call->who.tenant;
    TRY(const auto page, store::list_jobs(tx, filter));
    Json jobs = Json::array();
    for (const auto& job : page.jobs) jobs.push_back(store::job_json(job, false));
    out["jobs"] = jobs;
    return {};
  });
  if (!done) return failure(done.error());
  return json(200, out);
}

Answer remove_node(std::shared_ptr<Call> call) {
  const bool force = call->request.param("force").value_or("") == "true";
  const Status done = call->app.write([&](store::Tx& tx) {
    return store::remove_node(tx, call->app.board, call->app.periods(), call->path[0], force);
  });
  if (!done) return failure(done.error());
  call->app.forget_auth();
  Json out;
  out["id"] = call->path[0];
  out["removed"] = true;
  return json(200, out);
}

Answer change_node(std::shared_ptr<Call> call) {
  net::Response refused;
  const auto body = body_json(*call, refused);
  if (!body) return refused;
  FieldErrors errors;
  ObjectReader in(*body, "", errors);
  const std::string reason = in.text("reason", 0, 500);
  in.done();
  if (!errors.empty()) return problem(422, "", "the body is not right", errors);
  const std::string verb = call->request.path.substr(call->request.path.rfind('/') + 1);
  const auto which = verb == "drain"      ? store::NodeVerb::drain
                     : verb == "undrain"  ? store::NodeVerb::undrain
                     : verb == "cordon"   ? store::NodeVerb::cordon
                     : verb == "uncordon" ? store::NodeVerb::uncordon
                                          : store::NodeVerb::revoke;
  Json out;
  const Status done = call->app.write([&](store::Tx& tx) -> Status {
    TRY_OK(store::change_node(tx, call->path[0], which, reason));
    TRY(const store::Node node, store::get_node(tx, call->path[0]));
    out = store::node_json(node);
    return {};
  });
  if (!done) return failure(done.error());
  call->app.forget_auth();
  hurry(call->app, call->path[0]);
  return json(200, out);
}

Answer heartbeat(std::shared_ptr<Call> call) {
  net::Response refused;
  const auto body = body_json(*call, refused);
  if (!body) return refused;
  FieldErrors errors;
  ObjectReader in(*body, "", errors);
  store::Beat beat;
  beat.boot_id = in.text("boot_id", 0, 64);
  beat.session = in.text("session", 0, 64);
  beat.beat = in.whole("beat", 0, INT64_MAX, 0);
  if (const Json* list = in.array("jobs", 10'000)) {
    for (size_t i = 0; i < list->size() && errors.size() < 20; i++) {
      ObjectReader item((*list)[i], "jobs[" + std::to_string(i) + "]", errors);
      beat.jobs.push_back(read_beat_item(item));
      item.done();
    }
  } else {
    in.missing("jobs", "is required: every job that the node has, [] when it has none");
  }
  in.done();
  if (!errors.empty()) return problem(422, "", "the heartbeat is not right", errors);
  beat.periods = call->app.periods();
  beat.lease = call->app.lease_ms();
  store::BeatAnswer answer;
  const Status done = call->app.db->write([&](store::Tx& tx) -> Status {
    TRY(answer, store::heartbeat(tx, call->app.board, call->who.id, beat));
    return {};
  });
  if (!done) return failure(done.error());
  if (!answer.routine) call->app.bell.ring();  // else nothing has happened
  if (answer.refused) return second_agent();
  Json out;
  out["heartbeat_ms"] = call->app.heartbeat_ms();
  out["lease_ms"] = beat.lease;
  out["now"] = rfc3339({call->app.db->now_estimate() * 1'000'000});
  out["drain"] = answer.draining;
  out["cordoned"] = answer.cordoned;
  if (answer.stale) out["stale"] = true;
  Json commands = Json::array();
  for (const auto& command : answer.commands) {
    Json one;
    one["job"] = command.job;
    one["attempt"] = command.attempt;
    one["action"] = command.action;
    if (!command.reason.empty()) one["reason"] = command.reason;
    if (!command.queue.empty()) {
      one["queue"] = command.queue;
      one["priority"] = command.priority;
    }
    commands.push_back(one);
  }
  out["commands"] = commands;
  return json(200, out);
}

Answer lease(std::shared_ptr<Call> call) {
  net::Response refused;
  const auto body = body_json(*call, refused);
  if (!body) return refused;
  FieldErrors errors;
  ObjectReader in(*body, "", errors);
  store::Claim claim;
  claim.node = call->who.id;
  claim.nonce = in.text("nonce", 1, 128);
  claim.session = in.text("session", 0, 64);
  claim.most = in.whole("max_jobs", 1, 1000, 1);
  const int64_t wait = in.milli("wait_s", 0, 60, 30'000);
  if (const Json* free = in.object("free"))
    claim.free = queue::read_free(*free, "free", errors);
  else
    in.missing("free", "is required: what the node has to give now");
  in.done();
  if (!errors.empty()) return problem(422, "", "the request is not right", errors);
  claim.periods = call->app.periods();
  claim.lease = call->app.lease_ms();
  return wait_for_work(call, std::move(claim), wait);
}

Answer accept_jobs(std::shared_ptr<Call> call) {
  net::Response refused;
  const auto body = body_json(*call, refused);
  if (!body) return refused;
  FieldErrors errors;
  bool single = false;
  const auto items = read_items<store::Fence>(*body, errors, single, [](ObjectReader& in) {
    return store::Fence{in.text("job", 1, 64), in.whole("attempt", 1, INT32_MAX, 0)};
  });
  if (!items) return problem(422, "", "the request is not right", errors);
  std::vector<store::FenceAnswer> answers;
  const Status done = call->app.write([&](store::Tx& tx) -> Status {
    TRY(answers, store::accept(tx, call->who.id, *items));
    return {};
  });
  if (!done) return failure(done.error());
  return fences_response(answers, single);
}

Answer post_progress(std::shared_ptr<Call> call) {
  net::Response refused;
  const auto body = body_json(*call, refused);
  if (!body) return refused;
  FieldErrors errors;
  bool single = false;
  const auto items = read_items<store::Beat::Item>(*body, errors, single, read_beat_item);
  if (!items) return problem(422, "", "the request is not right", errors);
  std::vector<store::FenceAnswer> answers;
  const Status done = call->app.write([&](store::Tx& tx) -> Status {
    answers.clear();
    for (const auto& item : *items) {
      TRY(auto answer, store::note_progress(tx, call->who.id, item));
      answers.push_back(std::move(answer));
    }
    return {};
  });
  if (!done) return failure(done.error());
  return fences_response(answers, single);
}

Answer post_results(std::shared_ptr<Call> call) {
  net::Response refused;
  const auto body = body_json(*call, refused);
  if (!body) return refused;
  FieldErrors errors;
  bool single = false;
  const auto items = read_items<store::ResultIn>(*body, errors, single, read_result);
  if (!items) return problem(422, "", "the result is not right", errors);
  std::vector<store::FenceAnswer> answers;
  const store::Periods periods = call->app.periods();
  const Status done = call->app.write([&](store::Tx& tx) -> Status {
    TRY(answers, store::take_results(tx, call->app.board, periods, call->who.id, *items));
    return {};
  });
  if (!done) return failure(done.error());
  for (const auto& answer : answers)
    call->app.metrics.count(answer.status == 200 ? answer.duplicate ? "results_duplicate" : "results_accepted"
                            : answer.status == 409 ? "results_stale"
                                                   : "results_refused");
  return fences_response(answers, single);
}

Answer list_types(std::shared_ptr<Call> call) {
  const auto types = JobTypes::current(call->app);
  if (!types) return failure(types.error());
  Json list = Json::array();
  for (const auto& [name, schema] : types->all()) {
    Json one;
    one["name"] = name;
    one["params"] = schema;
    list.push_back(one);
  }
  Json out;
  out["types"] = list;
  return json(200, out);
}

}  // namespace ffrtmp::master
