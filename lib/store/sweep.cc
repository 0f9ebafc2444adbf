#include "store/sweep.h"

#include "queue/state.h"
#include "store/events.h"

namespace ffrtmp::store {

namespace {

Status expire(Tx& tx, queue::Board& board, const Periods& periods, Job& job, queue::Due due) {
  switch (due) {
    case queue::Due::offer:
      TRY_OK(end_attempt(tx, job, job.attempt, "withdrawn", "not accepted in time", ""));
      return requeue(tx, board, job, tx.now(), "the offer was not accepted in time");
    case queue::Due::lease: return lose_attempt(tx, board, periods, job, "its node fell silent", true);
    case queue::Due::progress:
      TRY_OK(end_attempt(tx, job, job.attempt, "failed", "no progress", ""));
      return fail_attempt(tx, board, periods, job, "stall", "no progress within its limit", "");
    case queue::Due::run:
      TRY_OK(end_attempt(tx, job, job.attempt, "failed", "run time exceeded", ""));
      return fail_attempt(tx, board, periods, job, "deadline", "it ran longer than its limit", "");
    case queue::Due::nothing: break;
  }
  return {};
}

}  // namespace

Result<int64_t> sweep_timers(Tx& tx, queue::Board& board, const Periods& periods, bool judge, int64_t most) {
  int64_t changed = 0;
  if (judge) {
    TRY(const Rows silent,
        tx.run("UPDATE nodes SET online = 0 WHERE online = 1 AND lease_until <= ?1 RETURNING id, name",
               {tx.now()}));
    for (const Row& row : silent) {
      Json data;
      data["node"] = row[0].s();
      data["name"] = row[1].s();
      TRY_OK(add_event(tx, "node.offline", 0, row[0].s(), "", dump_json(data)));
      changed++;
    }
  }
  TRY(const Rows rows,
      tx.run("SELECT j.seq, n.lease_until FROM jobs j LEFT JOIN nodes n ON n.id = j.node WHERE "
             "j.state IN ('offered', 'running') AND (j.offer_until <= ?1 OR j.run_by <= ?2 OR j.progress_by "
             "<= ?1 OR "
             "(j.state = 'running' AND (n.lease_until IS NULL OR n.lease_until <= ?1) AND j.patience >= 0)) "
             "LIMIT ?3",
             {tx.now(), tx.now() - periods.run_slack, most}));
  for (const Row& row : rows) {
    auto found = get_job(tx, row[0].i(), true);
    if (!found) continue;
    Job& job = *found;
    queue::Timers timers{job.offer_until, 0, job.progress_by,
                         job.run_by == 0 ? 0 : job.run_by + periods.run_slack};
    // A node that was removed speaks no more; one that returned meanwhile has a new lease, which this row
    // shows.
    const int64_t lease = row[1].null ? 1 : row[1].i();
    if (judge && job.patience >= 0) timers.lease_until = lease + job.patience;
    // While we cannot tell a dead node from our own outage, progress that we could not hear of is not missing
    // either.
    if (!judge) timers.progress_by = 0;
    const queue::Due due = queue::due(job.state, timers, tx.now());
    if (due == queue::Due::nothing) continue;
    TRY_OK(expire(tx, board, periods, job, due));
    changed++;
  }
  TRY(const Rows late, tx.run("SELECT seq FROM jobs WHERE state = 'queued' AND queue_by IS NOT NULL AND "
                              "queue_by <= ?1 AND attempt = 0 LIMIT ?2",
                              {tx.now(), most}));
  for (const Row& row : late) {
    auto job = get_job(tx, row[0].i(), true);
    if (!job || job->state != "queued") continue;
    // A job that has begun once has met its deadline: retries have their own limits.
    TRY_OK(finish(tx, board, *job, "failed", "its deadline passed before a node could start it", ""));
    changed++;
  }
  return changed;
}

Result<Swept> sweep_old(Tx& tx, const Retention& retention, int64_t cursor, int64_t most) {
  Swept out;
  TRY(const Rows rows,
      tx.run("SELECT seq, ended_at FROM jobs WHERE seq > ?1 ORDER BY seq LIMIT ?2", {cursor, most}));
  for (const Row& row : rows) {
    out.cursor = row[0].i();
    if (row[1].null || row[1].i() > tx.now() - retention.jobs_ms) continue;
    auto job = get_job(tx, row[0].i(), true);
    if (!job || !queue::finished(job->state)) continue;
    TRY(auto places, delete_job(tx, *job));
    out.places.insert(out.places.end(), places.begin(), places.end());
    out.removed++;
  }
  if (static_cast<int64_t>(rows.size()) < most) out.cursor = 0;
  const char* events =
      tx.dialect() == Dialect::sqlite
          ? "DELETE FROM events WHERE seq IN (SELECT seq FROM events WHERE at < ?1 ORDER BY seq LIMIT ?2)"
          : "DELETE FROM events WHERE (xid, seq) IN (SELECT xid, seq FROM events WHERE at < ?1 "
            "ORDER BY xid, seq LIMIT ?2)";
  TRY(const Rows gone, tx.run(events, {tx.now() - retention.events_ms, most}));
  out.removed += gone.changed;
  TRY_OK(tx.run("DELETE FROM idempotency WHERE created_at < ?1", {tx.now() - INT64_C(86'400'000)}));
  return out;
}

Result<InFlight> in_flight(Tx& tx) {
  InFlight out;
  TRY(const Rows rows,
      tx.run("SELECT tenant, count(*) FROM jobs WHERE state IN ('offered', 'running') GROUP BY tenant"));
  for (const Row& row : rows) {
    out.by_tenant[row[0].s()] = row[1].i();
    out.jobs += row[1].i();
  }
  TRY(const Rows nodes, tx.run("SELECT count(*), COALESCE(min(lease_until), 0) FROM nodes WHERE online = 1"));
  out.nodes_online = nodes[0][0].i();
  out.first_lease = nodes[0][1].i();
  TRY(const Rows late,
      tx.run("SELECT count(*) FROM jobs WHERE state = 'queued' AND queue_by IS NOT NULL AND attempt = 0"));
  out.deadlines = late[0][0].i();
  return out;
}

Status refresh_board(Tx& tx, queue::Board& board) {
  TRY_OK(load_classes(tx, board));
  for (const int64_t id : board.classes()) {
    TRY(const Rows rows,
        tx.run("SELECT ready_at FROM jobs WHERE class_id = ?1 AND state = 'queued' AND hold = '' AND "
               "waiting = 0 ORDER BY ready_at, seq LIMIT 1",
               {id}));
    if (!rows.empty()) board.ready(id, rows[0][0].i(), tx.now(), 16, false);
  }
  return {};
}

}  // namespace ffrtmp::store
