#include "store/claims.h"

#include <sys/random.h>

#include <algorithm>
#include <mutex>
#include <unordered_map>

#include "queue/state.h"
#include "store/events.h"
#include "store/sql_words.h"
#include "sys/redact.h"
#include "sys/text.h"

namespace ffrtmp::store {

namespace {

double chance() {
  uint32_t bits = 0;
  (void)!::getrandom(&bits, sizeof bits, 0);
  return static_cast<double>(bits) / 4294967296.0;
}

/// What a node runs now: how many, and in which anti-affinity groups.
struct Load {
  int64_t jobs = 0;
  std::vector<std::string> groups;
};

Load load_of(const Rows& rows) {
  Load out;
  out.jobs = static_cast<int64_t>(rows.size());
  for (const Row& row : rows)
    if (!row[0].null) out.groups.push_back(row[0].s());
  return out;
}

/// How many more jobs the tenant may have in flight; INT64_MAX without a limit. Exact: with several masters a
/// lock of the tenant's makes the count and the grant one.
Result<int64_t> room_of(Tx& tx, const queue::Board& board, const std::string& tenant) {
  const int64_t most = board.tenant(tenant).max_running;
  if (most == 0) return INT64_MAX;
  if (tx.dialect() == Dialect::postgres)
    TRY_OK(tx.run("SELECT pg_advisory_xact_lock(776655, hashtext(?1))", {tenant}));
  TRY(const Rows rows,
      tx.run("SELECT count(*) FROM jobs WHERE state IN ('offered', 'running') AND tenant = ?1", {tenant}));
  return std::max<int64_t>(0, most - rows[0][0].i());
}

/// The same event of several jobs, of their newest attempts.
Status add_job_events(Tx& tx, const char* kind, const std::string& jobs, const std::string& node) {
  return tx.later(
      "INSERT INTO events(at, kind, job_seq, node, tenant, data) SELECT CAST(?2 AS BIGINT), CAST(?3 AS "
      "TEXT), "
      "seq, CAST(?4 AS TEXT), tenant, '{\"job\":\"' || id || '\",\"attempt\":' || attempt || '}' FROM jobs "
      "WHERE seq {IN} ?1 {LIST} ORDER BY seq",
      {jobs, tx.now(), std::string(kind), node});
}

/// Gives the jobs to the node: a statement a table for all of them.
Status offer(Tx& tx, const Claim& in, const Rows& rows, std::vector<Grant>& grants, std::string& remembered) {
  std::vector<int64_t> numbers;
  for (const Row& row : rows) {
    numbers.push_back(row[0].i());
    grants.push_back({row[1].s(), row[2].i() + 1, row[3].s(), row[5].s(), row[6].s()});
    remembered += (remembered.empty() ? "" : " ") + std::to_string(numbers.back()) + ":" +
                  std::to_string(grants.back().attempt);
  }
  const std::string jobs = list_of(numbers);
  TRY_OK(
      tx.later("UPDATE jobs SET state = 'offered', attempt = attempt + 1, node = ?2, offer_until = ?3 "
               "WHERE seq {IN} ?1 {LIST}",
               {jobs, in.node, tx.now() + in.periods.offer}));
  TRY_OK(
      tx.later("INSERT INTO attempts(job_seq, attempt, node, state, nonce, offered_at) SELECT seq, attempt, "
               "node, 'offered', CAST(?2 AS TEXT), CAST(?3 AS BIGINT) FROM jobs WHERE seq {IN} ?1 {LIST}",
               {jobs, in.nonce, tx.now()}));
  return add_job_events(tx, "job.offered", jobs, in.node);
}

/// The same grants as for the same nonce before, as far as they still stand.
Result<std::vector<Grant>> repeat(Tx& tx, const std::string& node, const std::string& remembered) {
  std::vector<Grant> out;
  for (const std::string_view pair : words(remembered)) {
    const auto parts = split(pair, ':');
    if (parts.size() != 2) continue;
    TRY(const Rows rows, tx.run("SELECT id, attempt, spec, queue, priority FROM jobs WHERE seq = ?1 AND "
                                "attempt = ?2 AND node = ?3 AND "
                                "state IN ('offered', 'running')",
                                {parse_i64(parts[0]).value_or(0), parse_i64(parts[1]).value_or(0), node}));
    if (!rows.empty())
      out.push_back({rows[0][0].s(), rows[0][1].i(), rows[0][2].s(), rows[0][3].s(), rows[0][4].s()});
  }
  return out;
}

/// A node on which an attempt failed leaves the next one to others, for as long as an offer stands. Whom
/// nobody else took by then it may have again: it may be the only one that can.
constexpr const char* kTakeSql =
    "SELECT seq, id, attempt, spec, ready_at, queue, priority FROM jobs WHERE class_id = ?1 AND state = "
    "'queued' AND hold = "
    "'' AND "
    "waiting = 0 AND ready_at <= ?2 AND (avoid NOT LIKE ?3 OR ready_at <= ?5) ORDER BY ready_at, seq "
    "LIMIT ?4 {SKIP}";
constexpr const char* kNextSql =
    "SELECT ready_at FROM jobs WHERE class_id = ?1 AND state = 'queued' AND hold = '' AND waiting = 0 "
    "ORDER BY ready_at, seq LIMIT 1";

/// Takes up to `most` jobs of a class. Tells the board what it found.
Result<int64_t> take_from(Tx& tx, queue::Board& board, const Claim& in,
                          const queue::Board::Candidate& candidate, int64_t most, std::vector<Grant>& grants,
                          std::string& remembered) {
  TRY(const Rows rows,
      tx.run(kTakeSql, {candidate.id, tx.now(), "%|" + in.node + "|%", most, tx.now() - in.periods.offer}));
  const auto taken = static_cast<int64_t>(rows.size());
  if (taken > 0) {
    TRY_OK(offer(tx, in, rows, grants, remembered));
    const int64_t head = rows.rows.back()[4].i(), now = tx.now(), id = candidate.id;
    tx.after_commit([&board, id, taken, head, now] { board.granted(id, taken, head, now); });
  } else {
    TRY(const Rows next, tx.run(kNextSql, {candidate.id}));
    const int64_t at = next.empty() ? 0 : next[0][0].i();
    // Something is ready that this node must avoid (or another master holds): leave the class alive for
    // others.
    if (at == 0 || at > tx.now()) {
      const int64_t id = candidate.id, generation = candidate.generation;
      tx.after_commit([&board, id, generation, at] { board.empty(id, generation, at); });
    }
  }
  return taken;
}

}  // namespace

int64_t heartbeat_period(const Periods& periods, int64_t nodes) {
  return std::clamp(nodes * 1000 / std::max<int64_t>(1, periods.heartbeats_per_second),
                    periods.least_heartbeat, periods.most_heartbeat);
}

int64_t lease_for(const Periods&, int64_t heartbeat) { return heartbeat * 3 + heartbeat / 2; }

namespace {
/// Capabilities from their text. A node asks again and again, and most nodes of a fleet are alike: what was
/// read before is shared, which saves its time and, with thousands of parked polls, its memory.
Result<std::shared_ptr<const queue::NodeCaps>> caps_of(const std::string& text) {
  static std::mutex mutex;
  static std::unordered_map<std::string, std::weak_ptr<const queue::NodeCaps>> known;
  static size_t prune_at = 256;
  {
    const std::lock_guard lock(mutex);
    if (const auto found = known.find(text); found != known.end())
      if (auto caps = found->second.lock()) return caps;
  }
  TRY(const Json json, parse_json(text, "a node's capabilities"));
  FieldErrors ignored;
  auto caps = std::make_shared<const queue::NodeCaps>(queue::read_caps(json, "", ignored));
  const std::lock_guard lock(mutex);
  if (known.size() >= prune_at) {
    std::erase_if(known, [](const auto& entry) { return entry.second.expired(); });
    prune_at = std::max<size_t>(256, known.size() * 2);
  }
  known[text] = caps;
  return std::shared_ptr<const queue::NodeCaps>(caps);
}
}  // namespace

Result<Claimed> claim(Tx& tx, queue::Board& board, const Claim& in) {
  TRY(const auto rows,
      tx.ask({{"SELECT caps, cordoned, draining, refused_session, last_nonce, last_grant, online FROM "
               "nodes WHERE id = ?1 {LOCK}",
               {in.node}},
              {"SELECT spread FROM jobs WHERE node = ?1 AND state IN ('offered', 'running')", {in.node}}}));
  const Rows& node = rows[0];
  if (node.empty()) return sys_error("no such node:", in.node, ENOENT);
  const Row& row = node[0];
  Claimed out;
  out.refused = !in.session.empty() && row[3].s() == in.session;
  if (out.refused) return out;
  TRY(out.caps, caps_of(row[0].s()));
  if (!in.nonce.empty() && row[4].s() == in.nonce) {
    TRY(out.grants, repeat(tx, in.node, row[5].s()));
    if (!out.grants.empty()) return out;
  }
  // Who asks for no work is not turned away: over the parked poll it hears when that changes.
  if (in.free.slots > 0 && row[1].i() != 0) out.closed = "cordoned";
  if (in.free.slots > 0 && row[2].i() != 0) out.closed = "draining";
  // Its poll was parked before it was cut off, or came before its heartbeat: whatever it got would be given
  // to nobody, or be a job that it still runs.
  if (row[6].i() == 0) out.closed = "offline";
  if (!out.closed.empty()) return out;

  const Load load = load_of(rows[1]);
  queue::Free free = in.free;
  free.slots =
      std::min(free.slots, out.caps->max_jobs - std::max<int64_t>(0, load.jobs - in.free.delivering));
  std::vector<std::string> groups = load.groups;
  int64_t want = std::min(in.most, free.slots);
  std::string remembered;
  while (want > 0) {
    int64_t got = 0;
    const auto candidates = board.candidates(in.node, *out.caps, free, tx.now());
    for (const auto& candidate : candidates) {
      if (want <= 0) break;
      if (!queue::fits(candidate.needs, free)) continue;
      const bool grouped = !candidate.needs.spread.empty();
      if (grouped && std::ranges::find(groups, candidate.needs.spread) != groups.end()) continue;
      TRY(const int64_t room, room_of(tx, board, candidate.tenant));
      // Among peers one at a time, so that tenants take turns; alone, as many as fit.
      int64_t most = std::min({want, room,
                               grouped           ? int64_t{1}
                               : candidate.alone ? want
                                                 : std::max<int64_t>(1, want / 8)});
      for (queue::Free left = free; most > 1; most--) {
        int64_t fit = 0;
        for (left = free; fit < most && queue::fits(candidate.needs, left); fit++)
          queue::take(candidate.needs, left);
        if (fit >= most) break;
        most = fit + 1;
      }
      if (most <= 0) continue;
      TRY(const int64_t taken, take_from(tx, board, in, candidate, most, out.grants, remembered));
      for (int64_t i = 0; i < taken; i++) queue::take(candidate.needs, free);
      if (taken > 0 && grouped) groups.push_back(candidate.needs.spread);
      want -= taken;
      got += taken;
    }
    if (got == 0) break;
  }
  if (!out.grants.empty())
    TRY_OK(
        tx.later("UPDATE nodes SET last_nonce = ?2, last_grant = ?3, last_seen = ?4, lease_until = ?5 "
                 "WHERE id = ?1",
                 {in.node, in.nonce, remembered, tx.now(), tx.now() + in.lease}));
  return out;
}

Status end_attempt(Tx& tx, const Job& job, int64_t attempt, const std::string& state,
                   const std::string& reason, const std::string& result) {
  return tx.later(
      "UPDATE attempts SET state = ?3, ended_at = ?4, reason = ?5, result = ?6 "
      "WHERE job_seq = ?1 AND attempt = ?2",
      {job.seq, attempt, state, tx.now(), or_null(reason), or_null(result)});
}

namespace {
FenceAnswer answer(const Job& job, int64_t attempt, int status, std::string detail = {}) {
  FenceAnswer out;
  out.job = job.id;
  out.attempt = attempt;
  out.status = status;
  out.state = job.state;
  out.node = job.node;
  out.current = job.attempt;
  out.detail = std::move(detail);
  return out;
}

FenceAnswer unknown(const std::string& job, int64_t attempt) {
  FenceAnswer out;
  out.job = job;
  out.attempt = attempt;
  out.status = 404;
  out.detail = "no such job";
  return out;
}

std::string numbers_of(const auto& items) {
  std::vector<int64_t> out;
  for (const auto& item : items)
    if (const int64_t seq = seq_of(item.job); seq != 0) out.push_back(seq);
  return list_of(out);
}

struct Attempt {
  std::string state, node;
};
/// By the numbers of job and attempt.
using Attempts = std::map<std::pair<int64_t, int64_t>, Attempt>;
}  // namespace

Result<std::vector<FenceAnswer>> accept(Tx& tx, const std::string& node, const std::vector<Fence>& grants) {
  TRY(const auto rows, tx.ask({lock_jobs(numbers_of(grants))}));
  auto jobs = read_jobs(rows[0]);
  std::vector<FenceAnswer> out;
  std::vector<int64_t> accepted;
  for (const Fence& grant : grants) {
    const auto found = jobs.find(grant.job);
    if (found == jobs.end()) {
      out.push_back(unknown(grant.job, grant.attempt));
      continue;
    }
    Job& job = found->second;
    if (job.attempt != grant.attempt || job.node != node || !queue::active(job.state)) {
      out.push_back(answer(job, grant.attempt, 409, "the grant is not yours any more"));
      continue;
    }
    const bool before = job.state == "running";
    if (!before) accepted.push_back(job.seq);
    job.state = "running";
    out.push_back(answer(job, grant.attempt, 200));
    out.back().duplicate = before;
  }
  if (accepted.empty()) return out;
  const std::string list = list_of(accepted);
  // The clocks of a paused job stand still.
  TRY_OK(
      tx.later("UPDATE jobs SET state = 'running', started_at = ?2, offer_until = NULL, reason = NULL, "
               "run_by = CASE WHEN hold = 'paused' THEN NULL ELSE ?2 + run_ms END, "
               "run_left = CASE WHEN hold = 'paused' THEN run_ms END, "
               "progress_by = CASE WHEN hold = 'paused' THEN NULL ELSE ?2 + progress_every END "
               "WHERE seq {IN} ?1 {LIST}",
               {list, tx.now()}));
  TRY_OK(
      tx.later("UPDATE attempts SET state = 'running', accepted_at = ?2 WHERE job_seq {IN} ?1 {LIST} AND "
               "attempt = (SELECT attempt FROM jobs WHERE seq = job_seq)",
               {list, tx.now()}));
  TRY_OK(add_job_events(tx, "job.running", list, node));
  return out;
}

namespace {
/// The files a result speaks of must have arrived, whole and with the right digest. Names the first that has
/// not.
Result<std::string> missing_artifact(Tx& tx, const Job& job, const ResultIn& in) {
  if (in.artifacts.empty()) return std::string();
  // One look for all: a film in segments has thousands.
  TRY(const Rows rows,
      tx.run("SELECT name, size, sha256 FROM files WHERE job_seq = ?1 AND kind = 'artifact' AND "
             "attempt = ?2 AND state = 'complete'",
             {job.seq, in.attempt}));
  std::unordered_map<std::string_view, const Row*> arrived;
  for (const Row& row : rows) arrived.emplace(row[0].s(), &row);
  for (const auto& file : in.artifacts) {
    const auto found = arrived.find(file.name);
    if (found == arrived.end()) return "artifact " + printable(file.name) + " has not arrived";
    const Row& row = *found->second;
    if (row[1].i() != file.size || row[2].s() != file.sha256)
      return "artifact " + printable(file.name) + " differs from what arrived";
  }
  return std::string();
}

/// A node on which different jobs fail one after the other, by no fault of their own, is taken out, with the
/// evidence.
Status count_sickness(Tx& tx, const std::string& node, const Job& job, bool failed) {
  if (!failed)
    return tx.later("UPDATE nodes SET recent_failures = '' WHERE id = ?1 AND recent_failures <> ''", {node});
  TRY(const Rows rows, tx.run("SELECT recent_failures, cordoned FROM nodes WHERE id = ?1 {LOCK}", {node}));
  if (rows.empty()) return {};
  const std::string list = queue::with(rows[0][0].s(), job.id);
  const bool sick = queue::count_of(list) >= queue::kSick && rows[0][1].i() == 0;
  std::string note;
  if (sick) {
    note = "cordoned by the master: " + std::to_string(queue::count_of(list)) +
           " different jobs failed in a row:";
    for (const auto part : split(list, '|'))
      if (!part.empty()) note += " " + std::string(part);
    TRY_OK(tx.later("UPDATE nodes SET cordoned = 1, note = ?2 WHERE id = ?1", {node, note}));
    TRY_OK(add_event(tx, "node.cordoned", 0, node, "",
                     "{\"node\":\"" + node + "\",\"reason\":" + dump_json(Json(note)) + "}"));
  }
  return tx.later("UPDATE nodes SET recent_failures = ?2 WHERE id = ?1",
                  {node, list.size() > 1000 ? "" : list});
}
}  // namespace

Status fail_attempt(Tx& tx, queue::Board& board, const Periods& periods, Job& job,
                    const std::string& failure_class, const std::string& reason, const std::string& result) {
  job.failures++;
  if (job.cancel != 0) return finish(tx, board, job, "cancelled", reason, result);
  if (!queue::worth_retrying(failure_class)) return finish(tx, board, job, "failed", reason, result);
  if (job.failures >= job.max_attempts)
    return finish(tx, board, job, "failed", reason + " (" + std::to_string(job.failures) + " attempts)",
                  result);
  if (!job.node.empty()) job.avoid = queue::with(job.avoid, job.node);
  // Where every node of a small fleet is to be avoided, nobody would ever run it: forget the older ones.
  TRY(const Rows online, tx.run("SELECT count(*) FROM nodes WHERE online = 1 AND revoked = 0"));
  if (static_cast<int64_t>(queue::count_of(job.avoid)) >= online[0][0].i()) job.avoid.clear();
  return requeue(tx, board, job, tx.now() + queue::backoff_ms(periods.backoff, job.failures, chance()),
                 reason);
}

Status lose_attempt(Tx& tx, queue::Board& board, const Periods& periods, Job& job, const std::string& reason,
                    bool node_down) {
  TRY_OK(end_attempt(tx, job, job.attempt, "lost", reason, ""));
  if (job.cancel != 0) return finish(tx, board, job, "cancelled", reason, "");
  if (node_down) job.lost_on = queue::with(job.lost_on, job.node);
  if (queue::count_of(job.lost_on) >= queue::kPoison) {
    job.failures++;
    job.hold = "quarantined";
    TRY_OK(add_event(tx, "job.quarantined", job.seq, job.node, job.tenant,
                     job_event_data(job, "was running on " + std::to_string(queue::count_of(job.lost_on)) +
                                             " nodes when they went down")));
    return requeue(tx, board, job, tx.now(),
                   "quarantined: nodes went down while it ran; resume to try again");
  }
  return fail_attempt(tx, board, periods, job, "node", reason, "");
}

namespace {
/// Ends jobs that have all succeeded at the attempt that is theirs, and for which nobody waits: what `finish`
/// does for one. Their attempts have ended, and hold the results.
Status succeed(Tx& tx, queue::Board& board, const std::vector<Job*>& jobs, const std::string& node) {
  std::vector<int64_t> numbers;
  std::map<std::string, int64_t> by_tenant;
  for (Job* job : jobs) {
    numbers.push_back(job->seq);
    by_tenant[job->tenant]++;
  }
  const std::string list = list_of(numbers);
  TRY_OK(tx.later(
      "UPDATE jobs SET state = 'succeeded', ended_at = ?2, reason = NULL, node = ?3, hold = '', "
      "result = (SELECT a.result FROM attempts a WHERE a.job_seq = jobs.seq AND a.attempt = jobs.attempt), "
      "offer_until = NULL, run_by = NULL, run_left = NULL, progress_by = NULL WHERE seq {IN} ?1 {LIST}",
      {list, tx.now(), node}));
  tx.after_commit([&board, by_tenant, node] {
    for (const auto& [tenant, count] : by_tenant) board.freed(tenant, node, count);
  });
  return add_job_events(tx, "job.succeeded", list, node);
}

/// Results that came together.
struct Batch {
  Attempts attempts;
  std::vector<Job*> well;  ///< are left for `succeed`
  bool sound = false;      ///< the node's last result was a success, and it is noted
};

Result<FenceAnswer> take_result(Tx& tx, queue::Board& board, const Periods& periods, const std::string& node,
                                const ResultIn& in, Job& job, Batch& batch) {
  Attempts& attempts = batch.attempts;
  Attempt& attempt = attempts[{job.seq, in.attempt}];
  const bool good = in.outcome == "succeeded";
  const auto reception =
      queue::receive({job.state, job.attempt, attempt.state, attempt.node}, node, in.attempt, good);
  if (reception == queue::Reception::stale)
    return answer(job, in.attempt, 409,
                  queue::finished(job.state) ? "the job has ended" : "another attempt is the job's");
  FenceAnswer out = answer(job, in.attempt, 200);
  if (reception == queue::Reception::duplicate) {
    out.duplicate = true;
    return out;
  }
  if (good) {
    TRY(const std::string missing, missing_artifact(tx, job, in));
    if (!missing.empty()) return answer(job, in.attempt, 422, missing);
  }
  TRY_OK(end_attempt(tx, job, in.attempt, in.outcome, in.reason, in.document));
  attempt.state = in.outcome;
  if (reception == queue::Reception::adopt) {
    out.adopted = true;
    if (queue::active(job.state)) {
      TRY_OK(end_attempt(tx, job, job.attempt, "superseded", "attempt " + std::to_string(in.attempt) + " won",
                         ""));
      attempts[{job.seq, job.attempt}].state = "superseded";
    }
  }
  if (good && !std::exchange(batch.sound, true)) TRY_OK(count_sickness(tx, node, job, false));
  if (good && reception == queue::Reception::accept && job.alone && queue::active(job.state)) {
    job.node = node;
    job.state = "succeeded";
    batch.well.push_back(&job);
  } else if (good) {
    job.node = node;
    job.attempt = reception == queue::Reception::adopt ? job.attempt : in.attempt;
    TRY_OK(finish(tx, board, job, "succeeded", "", in.document));
  } else if (in.outcome == "cancelled" || job.cancel != 0) {
    TRY_OK(finish(tx, board, job, "cancelled", in.reason.empty() ? "cancelled" : in.reason, in.document));
  } else {
    TRY_OK(fail_attempt(tx, board, periods, job, in.failure_class, in.reason.empty() ? "failed" : in.reason,
                        in.document));
    if (queue::speaks_against_node(in.failure_class)) {
      TRY_OK(count_sickness(tx, node, job, true));
      batch.sound = false;
    }
  }
  out.state = job.state;
  return out;
}
}  // namespace

Result<std::vector<FenceAnswer>> take_results(Tx& tx, queue::Board& board, const Periods& periods,
                                              const std::string& node, const std::vector<ResultIn>& results) {
  const std::string list = numbers_of(results);
  // Who waits for them is asked when they are locked, and not with it: whoever begins to wait for a job locks
  // it.
  TRY(const auto rows,
      tx.ask({lock_jobs(list),
              {"SELECT job_seq, attempt, state, node FROM attempts WHERE job_seq {IN} ?1 {LIST}", {list}},
              {"SELECT DISTINCT after_seq FROM deps WHERE after_seq {IN} ?1 {LIST}", {list}}}));
  auto jobs = read_jobs(rows[0]);
  Batch batch;
  for (const Row& row : rows[1]) batch.attempts[{row[0].i(), row[1].i()}] = {row[2].s(), row[3].s()};
  for (auto& [id, job] : jobs)
    job.alone = std::ranges::none_of(rows[2], [&](const Row& row) { return row[0].i() == job.seq; });
  std::vector<FenceAnswer> out;
  for (const ResultIn& in : results) {
    const auto found = jobs.find(in.job);
    if (found == jobs.end()) {
      out.push_back(unknown(in.job, in.attempt));
      continue;
    }
    TRY(auto answer, take_result(tx, board, periods, node, in, found->second, batch));
    out.push_back(std::move(answer));
  }
  if (!batch.well.empty()) TRY_OK(succeed(tx, board, batch.well, node));
  return out;
}

}  // namespace ffrtmp::store
