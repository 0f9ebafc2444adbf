#include "api.h"
#include "job_types.h"
#include "lease.h"
#include "net/digest.h"
#include "net/url_guard.h"
#include "queue/spec.h"
#include "queue/state.h"
#include "sys/text.h"

namespace ffrtmp::master {

namespace {

constexpr size_t kMostBatch = 1000;

/// Every text in the document that is a URL must point outward.
void check_urls(const Json& value, const std::string& path, FieldErrors& errors) {
  if (value.is_string()) {
    if (const auto outward = net::check_outward(value.get_ref<const std::string&>()); !outward)
      errors.push_back({path, "points inward: loopback, link-local and metadata addresses are refused"});
  } else if (value.is_object()) {
    for (const auto& [key, inner] : value.items())
      check_urls(inner, path.empty() ? key : path + "." + key, errors);
  } else if (value.is_array()) {
    for (size_t i = 0; i < value.size(); i++)
      check_urls(value[i], path + "[" + std::to_string(i) + "]", errors);
  }
}

queue::JobSpec read_one(const Call& call, const Json& json, const std::string& path, const JobTypes& types,
                        FieldErrors& errors) {
  queue::JobSpec spec = queue::read_spec(json, path, errors);
  const auto at = [&](const char* name) { return path.empty() ? std::string(name) : path + "." + name; };
  if (!spec.tenant.empty() && spec.tenant != call.who.tenant && call.who.role != "admin")
    errors.push_back({at("tenant"), "this key may only submit for tenant \"" + call.who.tenant + "\""});
  if (!spec.type.empty()) types.check(spec.type, spec.document, path, errors);
  if (!call.app.options.allow_inward_urls)
    for (const char* field : {"input", "params"})
      if (const auto found = spec.document.find(field); found != spec.document.end())
        check_urls(*found, at(field), errors);
  return spec;
}

/// Reads the job that the path names, and hands it to `act` in a write transaction.
template <class Act>
Answer change(const std::shared_ptr<Call>& call, Act act) {
  Json out;
  std::string runs_on;
  const Status done = call->app.write([&](store::Tx& tx) -> Status {
    TRY(store::Job job, store::get_job(tx, call->path[0], call->who.caller(), true));
    TRY_OK(act(tx, job));
    TRY(const store::Job now, store::get_job(tx, job.seq, false));
    out = store::job_json(now, true);
    runs_on = now.state == "running" ? now.node : "";
    return {};
  });
  if (!done) return failure(done.error());
  if (!runs_on.empty()) hurry(call->app, runs_on);
  return json(200, out);
}

template <class Read>
Answer look(const std::shared_ptr<Call>& call, Read read) {
  Json out;
  const Status done = call->app.read([&](store::Tx& tx) -> Status {
    TRY(const store::Job job, store::get_job(tx, call->path[0], call->who.caller()));
    return read(tx, job, out);
  });
  if (!done) return failure(done.error());
  return json(200, out);
}

/// An empty body, or {} with nothing unknown in it.
std::optional<net::Response> refuse_body(const Call& call, std::string* reason = nullptr) {
  net::Response refused;
  const auto body = body_json(call, refused);
  if (!body) return refused;
  FieldErrors errors;
  ObjectReader in(*body, "", errors);
  if (reason != nullptr) *reason = in.text("reason", 0, 500);
  in.done();
  if (!errors.empty()) return problem(422, "", "the body is not right", errors);
  return std::nullopt;
}

}  // namespace

Answer submit_jobs(std::shared_ptr<Call> call) {
  net::Response refused;
  const auto body = body_json(*call, refused);
  if (!body) return refused;
  FieldErrors errors;
  std::vector<queue::JobSpec> specs;
  const bool batch = body->is_object() && body->contains("jobs");
  const auto types = JobTypes::current(call->app);
  if (!types) return failure(types.error());
  if (batch) {
    ObjectReader in(*body, "", errors);
    if (const Json* list = in.array("jobs", kMostBatch)) {
      if (list->empty()) in.error("jobs", "must not be empty");
      for (size_t i = 0; i < list->size() && errors.size() < 50; i++)
        specs.push_back(read_one(*call, (*list)[i], "jobs[" + std::to_string(i) + "]", *types, errors));
    }
    in.done();
  } else {
    specs.push_back(read_one(*call, *body, "", *types, errors));
  }
  int64_t total = 0;
  for (const auto& spec : specs) total += spec.count;
  if (total > 20'000) errors.push_back({"count", "at most 20000 jobs in one request"});
  const std::string token = call->request.header("idempotency-key");
  if (token.size() > 200) errors.push_back({"Idempotency-Key", "must have at most 200 bytes"});
  if (!errors.empty()) return problem(422, "", "the job is not right", errors);

  const std::string digest = token.empty() ? "" : net::sha256_hex(call->request.body);
  Json out;
  bool replayed = false, other = false;
  const auto body_of = [&](store::Tx& tx) -> Status {
    replayed = other = false;
    out = Json::object();
    if (!token.empty()) {
      TRY(const store::Rows known,
          tx.run("SELECT digest, answer FROM idempotency WHERE key_id = ?1 AND token = ?2",
                 {call->who.id, token}));
      if (!known.empty()) {
        other = known[0][0].s() != digest;
        replayed = true;
        if (other) return {};
        TRY(out, parse_json(known[0][1].s(), "a stored answer"));
        return {};
      }
    }
    TRY(const auto made, store::insert_jobs(tx, call->app.board, specs, call->who.caller()));
    if (batch || total > 1) {
      Json list = Json::array();
      for (const auto& one : made) list.push_back(one.id);
      out["ids"] = list;
      if (!batch) out["array"] = made[0].array_id;
    } else {
      out["id"] = made[0].id;
    }
    if (!token.empty())
      TRY_OK(tx.later(
          "INSERT INTO idempotency(key_id, token, digest, answer, created_at) VALUES(?1, ?2, ?3, ?4, ?5)",
          {call->who.id, token, digest, dump_json(out), tx.now()}));
    return {};
  };
  Status done = call->app.write(body_of);
  // Two equal requests at once: the second finds the first one's answer.
  if (!done && !token.empty() && store::fault_of(done.error()) == store::Fault::duplicate)
    done = call->app.write(body_of);
  if (!done) return failure(done.error());
  if (other) return problem(422, "", "this Idempotency-Key was used with another body");
  call->app.metrics.count("jobs_submitted", replayed ? 0 : total);
  if (out.contains("id")) {
    const std::string id = out["id"];
    // Without this answer its id says enough: it is in, and nobody is to send it again.
    (void)call->app.read([&](store::Tx& tx) -> Status {
      TRY(const store::Job job, store::get_job(tx, id, call->who.caller()));
      out = store::job_json(job, true);
      return {};
    });
  }
  net::Response response = json(201, out);
  if (out.contains("id"))
    response.headers.emplace_back("Location", "/api/v1/jobs/" + out["id"].get<std::string>());
  if (replayed) response.headers.emplace_back("Idempotent-Replayed", "true");
  return response;
}

Answer list_jobs(std::shared_ptr<Call> call) {
  FieldErrors errors;
  check_params(*call, {"state", "queue", "type", "tenant", "node", "array", "label", "limit", "cursor"},
               errors);
  store::ListFilter filter;
  const auto get = [&](const char* name) { return call->request.param(name).value_or(""); };
  filter.state = get("state");
  if (!filter.state.empty() && filter.state != "active" &&
      std::ranges::find(queue::kStates, filter.state) == queue::kStates.end())
    errors.push_back({"?state", "must be queued, offered, running, active, succeeded, failed or cancelled"});
  filter.queue = get("queue");
  filter.type = get("type");
  filter.tenant = call->who.role == "admin" ? get("tenant") : call->who.tenant;
  filter.node = get("node");
  filter.array_id = get("array");
  for (const auto& [name, value] : call->request.query) {
    if (name != "label") continue;
    const size_t equals = value.find('=');
    if (equals == std::string::npos || equals == 0)
      errors.push_back({"?label", "must be key=value"});
    else
      filter.labels.emplace_back(value.substr(0, equals), value.substr(equals + 1));
  }
  filter.limit = number_param(*call, "limit", 1, 1000, 100, errors).value_or(100);
  filter.before_seq = number_param(*call, "cursor", 1, INT64_MAX, 0, errors).value_or(0);
  if (!errors.empty()) return problem(422, "", "the query is not right", errors);
  Json out;
  const Status done = call->app.read([&](store::Tx& tx) -> Status {
    TRY(const store::JobPage page, store::list_jobs(tx, filter));
    Json list = Json::array();
    for (const auto& job : page.jobs) list.push_back(store::job_json(job, false));
    out["jobs"] = list;
    out["next"] = page.next == 0 ? Json(nullptr) : Json(std::to_string(page.next));
    return {};
  });
  if (!done) return failure(done.error());
  return json(200, out);
}

Answer get_job(std::shared_ptr<Call> call) {
  return look(call, [](store::Tx& tx, const store::Job& job, Json& out) -> Status {
    out = store::job_json(job, true);
    if (queue::active(job.state)) {
      TRY(const store::Rows rows, tx.run("SELECT progress FROM attempts WHERE job_seq = ?1 AND attempt = ?2",
                                         {job.seq, job.attempt}));
      if (!rows.empty() && !rows[0][0].null)
        if (const auto progress = parse_json(rows[0][0].s(), "progress")) out["progress"] = *progress;
    }
    return {};
  });
}

Answer delete_job(std::shared_ptr<Call> call) {
  std::vector<std::string> places;
  Json out;
  const Status done = call->app.write([&](store::Tx& tx) -> Status {
    TRY(const store::Job job, store::get_job(tx, call->path[0], call->who.caller(), true));
    TRY(places, store::delete_job(tx, job));
    out["id"] = job.id;
    out["deleted"] = true;
    return {};
  });
  if (!done) return failure(done.error());
  for (const auto& place : places) ::unlink((call->app.options.blob_dir + "/" + place).c_str());
  return json(200, out);
}

Answer patch_job(std::shared_ptr<Call> call) {
  net::Response refused;
  const auto body = body_json(*call, refused);
  if (!body) return refused;
  FieldErrors errors;
  ObjectReader in(*body, "", errors);
  const std::string queue = in.choice("queue", {queue::kQueues.begin(), queue::kQueues.end()}, "");
  const std::string priority =
      in.choice("priority", {queue::kPriorities.begin(), queue::kPriorities.end()}, "");
  in.done();
  if (!errors.empty()) return problem(422, "", "the change is not right", errors);
  return change(call, [&](store::Tx& tx, store::Job& job) {
    return store::move_job(tx, call->app.board, job, queue.empty() ? job.queue : queue,
                           priority.empty() ? job.priority : priority);
  });
}

Answer cancel_job(std::shared_ptr<Call> call) {
  std::string reason;
  if (auto refused = refuse_body(*call, &reason)) return refused;
  return change(call, [&](store::Tx& tx, store::Job& job) {
    return store::cancel_job(tx, call->app.board, job,
                             reason.empty() ? "cancelled by " + call->who.id : reason);
  });
}

Answer pause_job(std::shared_ptr<Call> call) {
  if (auto refused = refuse_body(*call)) return refused;
  return change(call, [](store::Tx& tx, store::Job& job) { return store::pause_job(tx, job); });
}

Answer resume_job(std::shared_ptr<Call> call) {
  if (auto refused = refuse_body(*call)) return refused;
  return change(call,
                [&](store::Tx& tx, store::Job& job) { return store::resume_job(tx, call->app.board, job); });
}

Answer retry_job(std::shared_ptr<Call> call) {
  if (auto refused = refuse_body(*call)) return refused;
  return change(call,
                [&](store::Tx& tx, store::Job& job) { return store::retry_job(tx, call->app.board, job); });
}

Answer why_job(std::shared_ptr<Call> call) {
  return look(call, [&](store::Tx& tx, const store::Job& job, Json& out) -> Status {
    TRY(out, store::why(tx, call->app.board, job));
    return {};
  });
}

Answer job_attempts(std::shared_ptr<Call> call) {
  return look(call, [](store::Tx& tx, const store::Job& job, Json& out) -> Status {
    TRY(out["attempts"], store::attempts_json(tx, job.seq));
    return {};
  });
}

Answer job_history(std::shared_ptr<Call> call) {
  return look(call, [](store::Tx& tx, const store::Job& job, Json& out) -> Status {
    TRY(out["history"], store::job_history(tx, job.seq, 10'000));
    return {};
  });
}

}  // namespace ffrtmp::master
