#include <algorithm>
#include <unordered_map>
#include <unordered_set>

#include "queue/session.h"
#include "queue/state.h"
#include "store/events.h"
#include "store/nodes.h"

namespace ffrtmp::store {

namespace {

/// A job that the node has and the database gave to it.
Status note_progress(Tx& tx, const Job& job, const Beat::Item& item) {
  // However long a line takes for the files: the job has kept its limits.
  if (item.delivering)
    TRY_OK(
        tx.later("UPDATE jobs SET run_by = NULL, run_left = NULL, progress_by = NULL WHERE seq = ?1 AND "
                 "(run_by IS NOT NULL OR run_left IS NOT NULL OR progress_by IS NOT NULL)",
                 {job.seq}));
  if (item.progress.empty()) return {};
  if (item.mark < 0)
    return tx.later("UPDATE attempts SET progress = ?3, progress_at = ?4 WHERE job_seq = ?1 AND attempt = ?2",
                    {job.seq, item.attempt, item.progress, tx.now()});
  // Only a watermark that rises pushes the stall clock on: a node that repeats itself does not.
  if (job.progress_every != 0 && job.hold.empty())
    TRY_OK(
        tx.later("UPDATE jobs SET progress_by = ?2 WHERE seq = ?1 AND EXISTS(SELECT 1 FROM attempts WHERE "
                 "job_seq = ?1 AND attempt = ?3 AND (progress_mark IS NULL OR progress_mark < ?4))",
                 {job.seq, tx.now() + job.progress_every, item.attempt, item.mark}));
  return tx.later(
      "UPDATE attempts SET progress = ?3, progress_at = ?4, progress_mark = ?5 WHERE job_seq = ?1 AND "
      "attempt = ?2 AND (progress_mark IS NULL OR progress_mark < ?5)",
      {job.seq, item.attempt, item.progress, tx.now(), item.mark});
}

/// The node has an attempt that is not the job's: what it shall do with it.
Status judge_stranger(Tx& tx, queue::Board& board, const std::string& node, const Beat::Item& item,
                      BeatAnswer& out) {
  const auto stop = [&](std::string reason) {
    out.commands.push_back({item.job, item.attempt, "stop", std::move(reason), "", ""});
  };
  auto job = get_job(tx, item.job, Caller{"", "", true}, true);
  if (!job && job.error().errnum != ENOENT) return std::unexpected(job.error());
  if (!job) {
    stop("no such job");
    return {};
  }
  TRY(const Rows rows, tx.run("SELECT state, node FROM attempts WHERE job_seq = ?1 AND attempt = ?2",
                              {job->seq, item.attempt}));
  const bool ours = !rows.empty() && rows[0][1].s() == node;
  const bool lost = ours && rows[0][0].s() == queue::attempt::kLost;
  if (queue::finished(job->state)) {
    stop("the job has ended: " + job->state);
  } else if (lost && job->state == "queued" && job->attempt == item.attempt) {
    // Given up too early, and given to nobody yet: the work goes on where it is.
    job->failures = std::max<int64_t>(0, job->failures - 1);
    const int64_t now = tx.now();
    TRY_OK(tx.later(
        "UPDATE jobs SET state = 'running', node = ?2, failures = ?3, reason = NULL, run_by = ?4, "
        "progress_by = ?5, hold = CASE WHEN hold = 'quarantined' THEN '' ELSE hold END WHERE seq = ?1",
        {job->seq, node, job->failures, or_null(job->run_ms == 0 ? 0 : now + job->run_ms),
         or_null(job->progress_every == 0 ? 0 : now + job->progress_every)}));
    TRY_OK(
        tx.later("UPDATE attempts SET state = 'running', ended_at = NULL, reason = NULL WHERE job_seq = ?1 "
                 "AND attempt = ?2",
                 {job->seq, item.attempt}));
    TRY_OK(add_event(tx, "job.readopted", job->seq, node, job->tenant,
                     job_event_data(*job, "its node returned")));
    const std::string tenant = job->tenant;
    tx.after_commit([&board, tenant] { board.running(tenant, 1); });
  } else if (lost) {
    const auto spec = parse_json(job->spec, "a job");
    if (spec && queue::offline_policy(*spec).stop_on_return) stop("the job was given to another node");
  } else if (!(ours && rows[0][0].s() == "offered")) {
    stop("this attempt is not the job's any more");
  }
  return {};
}

}  // namespace

namespace {

/// A node as a heartbeat finds it.
struct Listener {
  std::string name, boot_id;
  bool draining = false, cordoned = false, online = false;
  int64_t rebooted_at = 0;  ///< when the session that counts took over with another boot; 0: it did not
  queue::Speakers who;
};

/// What a heartbeat looks at: its node, and the node's jobs.
Result<std::vector<Rows>> look(Tx& tx, const std::string& id) {
  return tx.ask({{"SELECT name, boot_id, draining, cordoned, online, rebooted_at, session, beat, beat_at, "
                  "former_session, "
                  "former_beat, former_words, session_since, refused_session FROM nodes WHERE id = ?1 {LOCK}",
                  {id}},
                 {"SELECT seq, id, attempt, state, cancel, hold, reason, progress_every, queue, priority "
                  "FROM jobs WHERE "
                  "node = ?1 AND state IN ('offered', 'running')",
                  {id}}});
}

Listener listener(const Row& r) {
  return Listener{r[0].s(),
                  r[1].s(),
                  r[2].i() != 0,
                  r[3].i() != 0,
                  r[4].i() != 0,
                  r[5].i(),
                  {r[6].s(), r[7].i(), r[8].i(), r[9].s(), r[10].i(), r[11].i(), r[12].i(), r[13].s()}};
}

Status remember(Tx& tx, const std::string& id, const Listener& node, int64_t lease) {
  const queue::Speakers& who = node.who;
  return tx.later(
      "UPDATE nodes SET last_seen = ?2, lease_until = ?3, online = 1, boot_id = ?4, session = ?5, beat = ?6, "
      "beat_at = ?7, former_session = ?8, former_beat = ?9, former_words = ?10, session_since = ?11, "
      "refused_session = ?12, rebooted_at = ?13 WHERE id = ?1",
      {id, tx.now(), tx.now() + lease, node.boot_id, who.current, who.beat, who.beat_at, who.former,
       who.former_beat, who.former_words, who.since, who.refused, node.rebooted_at});
}

/// Two agents speak as one node: said once, where an operator looks.
Status tell_of_clone(Tx& tx, const std::string& id, const Listener& node) {
  const std::string reason = "two agents speak as this node: the session that came later, " +
                             node.who.refused + ", is refused; register that agent anew";
  TRY_OK(
      tx.later("UPDATE nodes SET note = ?2 WHERE id = ?1 AND cordoned = 0 AND draining = 0", {id, reason}));
  return add_event(tx, "node.cloned", 0, id, "", node_event(id, node.name, reason));
}

}  // namespace

Result<BeatAnswer> heartbeat(Tx& tx, queue::Board& board, const std::string& id, const Beat& in) {
  TRY(const auto looked, look(tx, id));
  if (looked[0].empty()) return sys_error("no such node:", id, ENOENT);
  Listener node = listener(looked[0][0]);
  BeatAnswer out;
  out.draining = node.draining;
  out.cordoned = node.cordoned;
  const queue::Hearing heard = queue::hear(node.who, in.session, in.beat, tx.now(), in.lease);
  out.refused = heard == queue::Hearing::refused;
  if (out.refused) return out;
  if (heard == queue::Hearing::late) {
    // It shows that an agent lived, and its list is of yesterday.
    out.stale = true;
    TRY_OK(tx.later("UPDATE nodes SET former_beat = ?2, former_words = ?3 WHERE id = ?1",
                    {id, node.who.former_beat, node.who.former_words}));
    return out;
  }
  const bool other_boot = !node.boot_id.empty() && !in.boot_id.empty() && node.boot_id != in.boot_id;
  if (heard == queue::Hearing::reinstated) node.rebooted_at = 0;
  if (heard == queue::Hearing::taken_over || (in.session.empty() && other_boot))
    node.rebooted_at = other_boot ? tx.now() : 0;
  if (!in.boot_id.empty()) node.boot_id = in.boot_id;
  TRY_OK(remember(tx, id, node, in.lease));
  if (heard == queue::Hearing::reinstated) TRY_OK(tell_of_clone(tx, id, node));
  if (!node.online) TRY_OK(add_event(tx, "node.online", 0, id, "", node_event(id, "")));
  const bool settled = queue::settled(node.who, tx.now(), in.lease);

  // One look for all: a node with a hundred jobs must not cost a hundred queries a beat.
  const Rows& mine = looked[1];
  std::unordered_map<std::string_view, const Row*> by_id;
  for (const Row& row : mine) by_id.emplace(row[1].s(), &row);
  std::vector<const Beat::Item*> strangers;
  std::unordered_set<std::string_view> known;
  for (const auto& item : in.jobs) {
    const auto found = by_id.find(item.job);
    if (found == by_id.end() || (*found->second)[2].i() != item.attempt) {
      strangers.push_back(&item);
      continue;
    }
    const Row& row = *found->second;
    known.insert(row[1].s());
    if (row[3].s() == "offered") continue;  // it will accept, or has: that is another request
    Job job;
    job.seq = row[0].i();
    job.hold = row[5].s();
    job.progress_every = row[7].i();
    TRY_OK(note_progress(tx, job, item));
    // The level is told every time, so that no command is lost with an answer.
    const bool cancelled = row[4].i() != 0;
    const char* action = cancelled ? "cancel" : job.hold == "paused" ? "pause" : "run";
    out.commands.push_back(
        {item.job, item.attempt, action, cancelled ? row[6].s() : "", row[8].s(), row[9].s()});
  }
  // A beat that says what the one before said changes nothing but moments, and the next one renews those.
  bool routine = heard == queue::Hearing::current && node.online && !other_boot && strangers.empty();
  for (const Row& row : mine) {
    if (row[3].s() != "running" || known.contains(row[1].s())) continue;
    TRY(Job job, get_job(tx, row[0].i(), true));
    if (job.state != "running" || job.node != id) continue;
    // It may have been accepted while this beat was under way, or be of an agent that will yet speak.
    const bool before_boot = job.started_at < node.rebooted_at;
    if (!settled || (!before_boot && tx.now() - job.started_at < in.periods.forget_slack)) continue;
    routine = false;
    TRY_OK(lose_attempt(tx, board, in.periods, job,
                        before_boot ? "its node was restarted" : "its node does not know it", before_boot));
  }
  for (const Beat::Item* item : strangers) TRY_OK(judge_stranger(tx, board, id, *item, out));
  out.routine = routine;
  if (routine) TRY_OK(tx.unhurried());
  return out;
}

Result<FenceAnswer> note_progress(Tx& tx, const std::string& node, const Beat::Item& item) {
  FenceAnswer out;
  out.job = item.job;
  out.attempt = item.attempt;
  auto job = get_job(tx, item.job, Caller{"", "", true}, true);
  if (!job && job.error().errnum != ENOENT) return std::unexpected(job.error());
  out.status = 404;
  if (!job) return out;
  out.state = job->state;
  out.node = job->node;
  out.current = job->attempt;
  out.status = 409;
  if (job->state != "running" || job->attempt != item.attempt || job->node != node) return out;
  out.status = 200;
  TRY_OK(note_progress(tx, *job, item));
  return out;
}

}  // namespace ffrtmp::store
