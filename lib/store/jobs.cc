#include "store/jobs.h"

#include <sys/random.h>

#include "queue/rules.h"
#include "queue/state.h"
#include "store/events.h"
#include "store/sql_words.h"
#include "sys/clock.h"
#include "sys/redact.h"
#include "sys/text.h"

namespace ffrtmp::store {

namespace {

constexpr const char* kColumns =
    "SELECT j.seq, j.id, j.class_id, j.state, j.hold, j.waiting, j.type, j.tenant, j.key_id, j.queue, "
    "j.priority, j.spec, "
    "j.attempt, j.failures, j.max_attempts, j.node, j.avoid, j.lost_on, j.created_at, j.ready_at, "
    "j.started_at, "
    "j.ended_at, j.queue_by, j.offer_until, j.run_by, j.run_left, j.run_ms, j.progress_by, j.progress_every, "
    "j.patience, j.cancel, j.reason, j.result, j.array_id, j.spread FROM jobs j ";

Job job_of(const Row& r) {
  Job job;
  size_t i = 0;
  const auto number = [&](int64_t& into) { into = r[i++].i(); };
  const auto text = [&](std::string& into) { into = r[i++].s(); };
  number(job.seq), text(job.id), number(job.class_id), text(job.state), text(job.hold), number(job.waiting);
  text(job.type), text(job.tenant), text(job.key_id), text(job.queue), text(job.priority), text(job.spec);
  number(job.attempt), number(job.failures), number(job.max_attempts), text(job.node), text(job.avoid);
  text(job.lost_on), number(job.created_at), number(job.ready_at), number(job.started_at),
      number(job.ended_at);
  number(job.queue_by), number(job.offer_until), number(job.run_by), number(job.run_left), number(job.run_ms);
  number(job.progress_by), number(job.progress_every), number(job.patience), number(job.cancel),
      text(job.reason);
  text(job.result), text(job.array_id), text(job.spread);
  return job;
}

Error no_such_job(const std::string& id) {
  return Error{"no such job:", printable(id.substr(0, 80)), ENOENT, "", ExitCode::ours};
}

std::unexpected<Error> wrong_state(const Job& job, const char* verb) {
  return sys_error(std::string("cannot ") + verb + " job", job.id, EBUSY, "it is " + job.state);
}

/// Numbers of new jobs, rising. They have gaps where several masters take some at the same time.
Result<std::vector<int64_t>> take_numbers(Tx& tx, int64_t count) {
  std::vector<int64_t> out;
  if (tx.dialect() == Dialect::sqlite) {
    TRY(const Rows rows,
        tx.run("UPDATE counters SET value = value + ?1 WHERE name = 'job' RETURNING value", {count}));
    for (int64_t seq = rows[0][0].i() - count; seq < rows[0][0].i(); seq++) out.push_back(seq + 1);
    return out;
  }
  // Without a lock: one would be held until the commit is on the disk, and submissions would queue for it.
  TRY(const Rows rows, tx.run("SELECT nextval('job_seq') FROM generate_series(1, ?1)", {count}));
  for (const Row& row : rows) out.push_back(row[0].i());
  return out;
}

std::string job_id(int64_t seq) {
  constexpr char kAlphabet[] = "abcdefghjkmnpqrstuvwxyz23456789";
  unsigned char chance[6] = {};
  (void)!::getrandom(chance, sizeof chance, 0);
  std::string out = "j" + std::to_string(seq) + "-";
  for (const unsigned char c : chance) out += kAlphabet[c % (sizeof kAlphabet - 1)];
  return out;
}

/// The id of the class that a spec belongs to; made when new. The board learns of it after the commit.
Result<int64_t> class_of(Tx& tx, queue::Board& board, const std::string& tenant, const std::string& queue,
                         const std::string& priority, const queue::Needs& needs,
                         std::map<std::string, int64_t>& seen) {
  const std::string text = dump_json(needs_json(needs));
  const std::string fingerprint = tenant + "\n" + queue + "\n" + priority + "\n" + text;
  if (const auto found = seen.find(fingerprint); found != seen.end()) return found->second;
  const char* find = "SELECT id FROM classes WHERE fingerprint = ?1";
  TRY(Rows rows, tx.run(find, {fingerprint}));
  if (rows.empty()) {
    TRY_OK(
        tx.run("INSERT INTO classes(fingerprint, tenant, queue, priority, needs) VALUES(?1, ?2, ?3, ?4, ?5) "
               "ON CONFLICT(fingerprint) DO NOTHING",
               {fingerprint, tenant, queue, priority, text}));
    TRY(rows, tx.run(find, {fingerprint}));
    if (rows.empty()) return sys_error("making a job class", "", EAGAIN);
  }
  const int64_t id = rows[0][0].i();
  seen.emplace(fingerprint, id);
  if (!board.knows(id))
    tx.after_commit([&board, id, tenant, queue, priority, needs] {
      board.add_class(id, tenant, queue, priority, needs);
    });
  return id;
}

/// How many of the dependencies are still to be waited for. Locks them, so that none ends unseen meanwhile.
Result<int64_t> add_dependencies(Tx& tx, const std::vector<std::string>& after, int64_t seq,
                                 const Caller& caller, const std::vector<Submitted>& batch,
                                 const std::string& path) {
  int64_t waiting = 0;
  std::vector<int64_t> seen;
  for (const std::string& id : after) {
    int64_t dep = 0;
    if (id.starts_with("@")) {  // an earlier job of the same request
      const auto index = parse_u64(std::string_view(id).substr(1));
      if (!index || *index >= batch.size())
        return sys_error("not an earlier job of this request:", path, EINVAL, "@0 is the first");
      dep = batch[*index].seq;
    } else {
      auto job = get_job(tx, id, caller, true);
      if (!job && job.error().errnum == ENOENT)
        return sys_error("no such job to wait for:", path, EINVAL, id.substr(0, 64));
      if (!job) return std::unexpected(job.error());
      if (job->state == "failed" || job->state == "cancelled")
        return sys_error("the job to wait for has ended:", path, EINVAL, id + " is " + job->state);
      if (job->state == "succeeded") continue;
      dep = job->seq;
    }
    if (std::ranges::find(seen, dep) != seen.end()) continue;
    seen.push_back(dep);
    TRY_OK(tx.later("INSERT INTO deps(job_seq, after_seq) VALUES(?1, ?2)", {seq, dep}));
    waiting++;
  }
  return waiting;
}

}  // namespace

int64_t seq_of(const std::string& id) {
  const size_t dash = id.find('-');
  if (id.size() < 3 || id.size() > 40 || id[0] != 'j' || dash == std::string::npos || id[1] == '0') return 0;
  const auto seq = parse_u64(std::string_view(id).substr(1, dash - 1));
  return seq && *seq <= INT64_MAX ? static_cast<int64_t>(*seq) : 0;
}

Result<std::vector<Submitted>> insert_jobs(Tx& tx, queue::Board& board,
                                           const std::vector<queue::JobSpec>& specs, const Caller& caller) {
  int64_t total = 0;
  for (const auto& spec : specs) total += spec.count;
  TRY(const auto numbers, take_numbers(tx, total));
  std::vector<Submitted> out;
  std::map<std::string, int64_t> classes;
  struct Wake {
    int64_t ready_at, count;
  };
  std::map<int64_t, Wake> wakes;
  for (size_t s = 0; s < specs.size(); s++) {
    const queue::JobSpec& spec = specs[s];
    const std::string path = "jobs[" + std::to_string(s) + "].after";
    const std::string tenant = spec.tenant.empty() ? caller.tenant : spec.tenant;
    TRY(const int64_t class_id, class_of(tx, board, tenant, spec.queue, spec.priority, spec.needs, classes));
    const std::string document = dump_json(spec.document);
    const int64_t ready_at = std::max(tx.now(), spec.not_before);
    const queue::OfflinePolicy offline = queue::offline_policy(spec.document);
    std::string array_id;
    const size_t batch_before = out.size();
    for (int64_t n = 0; n < spec.count; n++) {
      const int64_t seq = numbers[out.size()];
      Submitted one{job_id(seq), seq, ""};
      if (spec.count > 1 && n == 0) array_id = one.id;
      one.array_id = array_id;
      const std::vector<Submitted> earlier(
          out.begin(), out.begin() + static_cast<ptrdiff_t>(spec.after.empty() ? 0 : batch_before));
      TRY(int64_t waiting, add_dependencies(tx, spec.after, seq, caller, earlier, path));
      waiting += static_cast<int64_t>(spec.inputs.size());
      TRY_OK(tx.later(
          "INSERT INTO jobs(seq, id, class_id, state, waiting, type, tenant, key_id, queue, priority, spec, "
          "max_attempts, "
          "created_at, ready_at, queue_by, run_ms, progress_every, patience, array_id, spread) "
          "VALUES(?1, ?2, ?3, 'queued', ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13, ?14, ?15, ?16, ?17, ?18, "
          "?19)",
          {seq, one.id, class_id, waiting, spec.type, tenant, caller.key_id, spec.queue, spec.priority,
           document, spec.max_attempts, tx.now(), ready_at, or_null(spec.deadline),
           or_null(spec.run_timeout_ms), or_null(spec.progress_timeout_ms),
           offline.replace ? offline.patience_ms : -1, or_null(array_id), or_null(spec.needs.spread)}));
      for (const auto& input : spec.inputs)
        TRY_OK(tx.later(
            "INSERT INTO files(job_seq, kind, name, attempt, size, sha256, state, place, created_at) "
            "VALUES(?1, 'input', ?2, 0, ?3, ?4, 'expected', '', ?5)",
            {seq, input.name, input.size, input.sha256, tx.now()}));
      if (waiting == 0) {
        auto& wake = wakes.try_emplace(class_id, Wake{ready_at, 0}).first->second;
        wake.ready_at = std::min(wake.ready_at, ready_at);
        wake.count++;
      }
      out.push_back(std::move(one));
    }
  }
  TRY_OK(
      tx.later("INSERT INTO events(at, kind, job_seq, tenant, data) SELECT created_at, 'job.submitted', seq, "
               "tenant, '{\"job\":\"' || id || '\"}' FROM jobs WHERE seq {IN} ?1 {LIST} ORDER BY seq",
               {list_of(numbers)}));
  const int64_t now = tx.now();
  tx.after_commit([&board, wakes, now] {
    for (const auto& [id, wake] : wakes) board.ready(id, wake.ready_at, now, wake.count);
  });
  return out;
}

Result<Job> get_job(Tx& tx, int64_t seq, bool lock) {
  std::string sql = kColumns;
  sql += lock ? "WHERE j.seq = ?1 {LOCK_J}" : "WHERE j.seq = ?1";
  TRY(const Rows rows, tx.run(sql, {seq}));
  if (rows.empty()) return std::unexpected(no_such_job("#" + std::to_string(seq)));
  return job_of(rows[0]);
}

Result<Job> get_job(Tx& tx, const std::string& id, const Caller& caller, bool lock) {
  const int64_t seq = seq_of(id);
  if (seq == 0) return std::unexpected(no_such_job(id));
  auto job = get_job(tx, seq, lock);
  if (!job) return job;
  // Another tenant's job does not exist: whether it does is theirs to know.
  if (job->id != id || (!caller.admin && job->tenant != caller.tenant))
    return std::unexpected(no_such_job(id));
  return job;
}

Question lock_jobs(const std::string& list) {
  // In their order, so that two batches cannot wait for each other.
  static const std::string sql = std::string(kColumns) + "WHERE j.seq {IN} ?1 {LIST} ORDER BY j.seq {LOCK_J}";
  return {sql, {list}};
}

std::map<std::string, Job> read_jobs(const Rows& rows) {
  std::map<std::string, Job> out;
  for (const Row& row : rows) out.emplace(row[1].s(), job_of(row));
  return out;
}

Json job_json(const Job& job, bool with_spec) {
  const auto when = [](int64_t ms) { return ms == 0 ? Json(nullptr) : Json(rfc3339({ms * 1'000'000})); };
  Json out;
  out["id"] = job.id;
  out["type"] = job.type;
  out["state"] = job.state;
  if (!job.hold.empty()) out["hold"] = job.hold;
  if (job.waiting > 0) out["waiting_for"] = job.waiting;
  out["queue"] = job.queue;
  out["priority"] = job.priority;
  out["tenant"] = job.tenant;
  out["attempt"] = job.attempt;
  out["failures"] = job.failures;
  out["max_attempts"] = job.max_attempts;
  out["node"] = job.node.empty() ? Json(nullptr) : Json(job.node);
  out["created_at"] = when(job.created_at);
  if (job.state == "queued") out["ready_at"] = when(job.ready_at);
  out["started_at"] = when(job.started_at);
  out["ended_at"] = when(job.ended_at);
  if (job.queue_by != 0) out["deadline"] = when(job.queue_by);
  if (job.cancel != 0 && !queue::finished(job.state)) out["cancel_requested"] = true;
  if (!job.array_id.empty()) out["array"] = job.array_id;
  if (!job.reason.empty()) out["reason"] = redact_text(job.reason);
  if (with_spec) {
    if (const auto spec = parse_json(job.spec, "a job")) out["spec"] = queue::redacted(*spec);
    if (!job.result.empty())
      if (const auto result = parse_json(job.result, "a result")) out["result"] = *result;
  }
  return out;
}

Result<JobPage> list_jobs(Tx& tx, const ListFilter& filter) {
  std::string sql = std::string(kColumns) + "WHERE j.seq < ?1";
  std::vector<Param> params{filter.before_seq == 0 ? INT64_MAX : filter.before_seq};
  const auto equal = [&](const char* column, const std::string& value) {
    if (value.empty()) return;
    params.emplace_back(value);
    sql += std::string(" AND j.") + column + " = ?" + std::to_string(params.size());
  };
  // Literal states, so that the partial indexes serve them.
  if (filter.state == "active")
    sql += " AND j.state IN ('offered', 'running')";
  else if (!filter.state.empty())
    sql += " AND j.state = '" + filter.state + "'";
  equal("queue", filter.queue);
  equal("type", filter.type);
  equal("tenant", filter.tenant);
  equal("node", filter.node);
  equal("array_id", filter.array_id);
  for (const auto& [key, value] : filter.labels) {
    // The document is our own dump: a label stands in it as "key":"value".
    params.emplace_back("%" + dump_json(Json(key)) + ":" + dump_json(Json(value)) + "%");
    sql += " AND j.spec LIKE ?" + std::to_string(params.size());
  }
  params.emplace_back(filter.limit + 1);
  sql += " ORDER BY j.seq DESC LIMIT ?" + std::to_string(params.size());
  TRY(const Rows rows, tx.run(sql, params));
  JobPage page;
  for (const Row& row : rows) {
    if (static_cast<int64_t>(page.jobs.size()) == filter.limit) {
      page.next = page.jobs.back().seq;
      break;
    }
    page.jobs.push_back(job_of(row));
  }
  return page;
}

std::string job_event_data(const Job& job, const std::string& reason) {
  std::string out = "{\"job\":\"" + job.id + "\",\"attempt\":" + std::to_string(job.attempt);
  if (!reason.empty()) out += ",\"reason\":" + dump_json(Json(redact_text(reason)));
  return out + "}";
}

Status settle_dependents(Tx& tx, queue::Board& board, const Job& job, bool succeeded) {
  if (job.alone) return {};
  TRY(const Rows deps, tx.run("SELECT job_seq FROM deps WHERE after_seq = ?1", {job.seq}));
  if (deps.empty()) return {};
  TRY_OK(tx.later("DELETE FROM deps WHERE after_seq = ?1", {job.seq}));
  for (const Row& row : deps) {
    if (succeeded) {
      TRY_OK(count_down(tx, board, row[0].i()));
      continue;
    }
    auto dependent = get_job(tx, row[0].i(), true);
    if (dependent && dependent->state == "queued")
      TRY_OK(finish(tx, board, *dependent, "cancelled",
                    "job " + job.id + ", which it waits for, has ended " + job.state, ""));
  }
  return {};
}

Status count_down(Tx& tx, queue::Board& board, int64_t job_seq) {
  TRY(const Rows rows, tx.run("UPDATE jobs SET waiting = waiting - 1 WHERE seq = ?1 AND waiting > 0 "
                              "RETURNING waiting, class_id, ready_at",
                              {job_seq}));
  if (rows.empty() || rows[0][0].i() > 0) return {};
  const int64_t class_id = rows[0][1].i(), ready_at = rows[0][2].i(), now = tx.now();
  tx.after_commit([&board, class_id, ready_at, now] { board.ready(class_id, ready_at, now); });
  return {};
}

Status finish(Tx& tx, queue::Board& board, Job& job, const std::string& state, const std::string& reason,
              const std::string& result) {
  if (queue::active(job.state)) {
    tx.after_commit([&board, tenant = job.tenant, node = job.node] { board.freed(tenant, node, 1); });
  }
  job.state = state;
  TRY_OK(
      tx.later("UPDATE jobs SET state = ?2, ended_at = ?3, reason = ?4, result = ?5, node = ?6, hold = '', "
               "waiting = 0, "
               "offer_until = NULL, run_by = NULL, run_left = NULL, progress_by = NULL WHERE seq = ?1",
               {job.seq, state, tx.now(), or_null(reason), or_null(result), or_null(job.node)}));
  if (job.waiting > 0) TRY_OK(tx.later("DELETE FROM deps WHERE job_seq = ?1", {job.seq}));
  const std::string kind = "job." + state;
  TRY_OK(add_event(tx, kind.c_str(), job.seq, job.node, job.tenant, job_event_data(job, reason)));
  return settle_dependents(tx, board, job, state == "succeeded");
}

Status requeue(Tx& tx, queue::Board& board, Job& job, int64_t ready_at, const std::string& reason) {
  if (queue::active(job.state)) {
    tx.after_commit([&board, tenant = job.tenant, node = job.node] { board.freed(tenant, node, 1); });
  }
  job.state = "queued";
  TRY_OK(tx.later(
      "UPDATE jobs SET state = 'queued', ready_at = ?2, failures = ?3, avoid = ?4, lost_on = ?5, hold = ?6, "
      "reason = ?7, node = NULL, offer_until = NULL, run_by = NULL, run_left = NULL, progress_by = NULL "
      "WHERE seq = ?1",
      {job.seq, ready_at, job.failures, job.avoid, job.lost_on, job.hold, or_null(reason)}));
  TRY_OK(add_event(tx, "job.queued", job.seq, job.node, job.tenant, job_event_data(job, reason)));
  const int64_t class_id = job.class_id, now = tx.now();
  if (job.hold.empty())
    tx.after_commit([&board, class_id, ready_at, now] { board.ready(class_id, ready_at, now); });
  return {};
}

Status cancel_job(Tx& tx, queue::Board& board, Job& job, const std::string& reason) {
  if (job.state == "cancelled") return {};
  if (queue::finished(job.state)) return wrong_state(job, "cancel");
  if (job.state == "running") {
    // The node stops it and tells; until then it is running, and we do not say otherwise.
    if (job.cancel != 0) return {};
    job.cancel = 1;
    TRY_OK(tx.later("UPDATE jobs SET cancel = 1, reason = ?2 WHERE seq = ?1", {job.seq, or_null(reason)}));
    return add_event(tx, "job.cancel_requested", job.seq, job.node, job.tenant, job_event_data(job, reason));
  }
  if (job.state == "offered")
    TRY_OK(
        tx.later("UPDATE attempts SET state = 'cancelled', ended_at = ?3 WHERE job_seq = ?1 AND attempt = ?2",
                 {job.seq, job.attempt, tx.now()}));
  return finish(tx, board, job, "cancelled", reason, "");
}

Status pause_job(Tx& tx, Job& job) {
  if (queue::finished(job.state) || job.hold == "quarantined") return wrong_state(job, "pause");
  if (job.hold == "paused") return {};
  // A paused job's clocks stand still: what is left of its run time is kept, progress is not expected.
  const int64_t left = job.run_by == 0 ? 0 : std::max<int64_t>(1, job.run_by - tx.now());
  job.hold = "paused";
  TRY_OK(tx.later(
      "UPDATE jobs SET hold = 'paused', run_left = ?2, run_by = NULL, progress_by = NULL WHERE seq = ?1",
      {job.seq, or_null(left)}));
  return add_event(tx, "job.paused", job.seq, job.node, job.tenant, job_event_data(job));
}

Status resume_job(Tx& tx, queue::Board& board, Job& job) {
  if (queue::finished(job.state)) return wrong_state(job, "resume");
  if (job.hold.empty()) return {};
  job.hold.clear();
  const int64_t run_by = job.run_left == 0 ? 0 : tx.now() + job.run_left;
  const int64_t progress_by =
      job.state == "running" && job.progress_every != 0 ? tx.now() + job.progress_every : 0;
  TRY_OK(
      tx.later("UPDATE jobs SET hold = '', lost_on = '', run_by = ?2, run_left = NULL, progress_by = ?3 "
               "WHERE seq = ?1",
               {job.seq, or_null(run_by), or_null(progress_by)}));
  TRY_OK(add_event(tx, "job.resumed", job.seq, job.node, job.tenant, job_event_data(job)));
  if (job.state == "queued" && job.waiting == 0) {
    const int64_t class_id = job.class_id, ready_at = job.ready_at, now = tx.now();
    tx.after_commit([&board, class_id, ready_at, now] { board.ready(class_id, ready_at, now); });
  }
  return {};
}

Status retry_job(Tx& tx, queue::Board& board, Job& job) {
  if (job.state != "failed" && job.state != "cancelled") return wrong_state(job, "retry");
  TRY(const Rows missing,
      tx.run("SELECT count(*) FROM files WHERE job_seq = ?1 AND kind = 'input' AND state <> 'complete'",
             {job.seq}));
  const int64_t waiting = missing[0][0].i();
  TRY_OK(
      tx.later("UPDATE jobs SET cancel = 0, waiting = ?2, started_at = NULL, ended_at = NULL, result = NULL, "
               "queue_by = NULL WHERE seq = ?1",
               {job.seq, waiting}));
  job.failures = 0;
  job.avoid.clear();
  job.lost_on.clear();
  job.hold.clear();
  return requeue(tx, board, job, tx.now(), "retried by an operator");
}

Status move_job(Tx& tx, queue::Board& board, Job& job, const std::string& queue,
                const std::string& priority) {
  if (queue::finished(job.state)) return wrong_state(job, "move");
  TRY(const Rows rows, tx.run("SELECT needs FROM classes WHERE id = ?1", {job.class_id}));
  if (rows.empty()) return sys_error("no class of job", job.id, EUCLEAN);
  TRY(const Json needs, parse_json(rows[0][0].s(), "a job class"));
  std::map<std::string, int64_t> seen;
  TRY(job.class_id, class_of(tx, board, job.tenant, queue, priority, queue::needs_from(needs), seen));
  job.queue = queue;
  job.priority = priority;
  TRY_OK(tx.later("UPDATE jobs SET class_id = ?2, queue = ?3, priority = ?4 WHERE seq = ?1",
                  {job.seq, job.class_id, queue, priority}));
  TRY_OK(add_event(
      tx, "job.moved", job.seq, job.node, job.tenant,
      "{\"job\":\"" + job.id + "\",\"queue\":\"" + queue + "\",\"priority\":\"" + priority + "\"}"));
  const int64_t class_id = job.class_id, ready_at = job.ready_at, now = tx.now();
  tx.after_commit([&board, class_id, ready_at, now] { board.ready(class_id, ready_at, now); });
  return {};
}

Result<std::vector<std::string>> delete_job(Tx& tx, const Job& job) {
  if (!queue::finished(job.state)) return wrong_state(job, "delete");
  std::vector<std::string> places;
  TRY(const Rows files, tx.run("SELECT place FROM files WHERE job_seq = ?1 AND place <> ''", {job.seq}));
  for (const Row& row : files) places.push_back(row[0].s());
  for (const char* sql : {"DELETE FROM files WHERE job_seq = ?1", "DELETE FROM logs WHERE job_seq = ?1",
                          "DELETE FROM attempts WHERE job_seq = ?1", "DELETE FROM deps WHERE job_seq = ?1",
                          "DELETE FROM jobs WHERE seq = ?1"})
    TRY_OK(tx.later(sql, {job.seq}));
  TRY_OK(add_event(tx, "job.deleted", job.seq, "", job.tenant, job_event_data(job)));
  return places;
}

Result<Json> attempts_json(Tx& tx, int64_t job_seq) {
  TRY(const Rows rows,
      tx.run("SELECT attempt, node, state, offered_at, accepted_at, ended_at, reason, result, progress, "
             "progress_at FROM attempts WHERE job_seq = ?1 ORDER BY attempt",
             {job_seq}));
  const auto when = [](const Cell& c) { return c.null ? Json(nullptr) : Json(rfc3339({c.i() * 1'000'000})); };
  Json out = Json::array();
  for (const Row& r : rows) {
    Json one;
    one["attempt"] = r[0].i();
    one["node"] = r[1].s();
    one["state"] = r[2].s();
    one["offered_at"] = when(r[3]);
    one["accepted_at"] = when(r[4]);
    one["ended_at"] = when(r[5]);
    if (!r[6].null) one["reason"] = redact_text(r[6].s());
    if (!r[7].null)
      if (const auto result = parse_json(r[7].s(), "a result")) one["result"] = *result;
    if (!r[8].null)
      if (const auto progress = parse_json(r[8].s(), "progress")) one["progress"] = *progress;
    if (!r[9].null) one["progress_at"] = when(r[9]);
    out.push_back(std::move(one));
  }
  return out;
}

Status load_classes(Tx& tx, queue::Board& board) {
  TRY(const Rows rows,
      tx.run("SELECT id, tenant, queue, priority, needs FROM classes WHERE id > ?1 ORDER BY id",
             {board.newest_class()}));
  for (const Row& row : rows)
    if (const auto needs = parse_json(row[4].s(), "a job class"))
      board.add_class(row[0].i(), row[1].s(), row[2].s(), row[3].s(), queue::needs_from(*needs));
  return {};
}

}  // namespace ffrtmp::store
