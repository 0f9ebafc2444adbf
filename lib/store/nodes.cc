#include "store/nodes.h"

#include <algorithm>
#include <unordered_map>
#include <unordered_set>

#include "queue/state.h"
#include "store/events.h"
#include "sys/clock.h"
#include "sys/text.h"

namespace ffrtmp::store {

namespace {

constexpr const char* kColumns =
    "SELECT id, name, token_hash, old_token_hash, caps, boot_id, version, session, note, recent_failures, "
    "join_nonce, "
    "old_token_until, registered_at, last_seen, lease_until, beat, online, cordoned, draining, revoked FROM "
    "nodes ";

Node node_of(const Row& r) {
  Node out;
  size_t i = 0;
  for (std::string* text : {&out.id, &out.name, &out.token_hash, &out.old_token_hash, &out.caps, &out.boot_id,
                            &out.version, &out.session, &out.note, &out.recent_failures, &out.join_nonce})
    *text = r[i++].s();
  for (int64_t* number :
       {&out.old_token_until, &out.registered_at, &out.last_seen, &out.lease_until, &out.beat})
    *number = r[i++].i();
  for (bool* flag : {&out.online, &out.cordoned, &out.draining, &out.revoked}) *flag = r[i++].i() != 0;
  return out;
}

std::string node_event(const std::string& id, const std::string& name, const std::string& reason = {}) {
  Json out;
  out["node"] = id;
  if (!name.empty()) out["name"] = name;
  if (!reason.empty()) out["reason"] = reason;
  return dump_json(out);
}

Status remember_types(Tx& tx, const Registration& in) {
  for (const auto& [name, schema] : in.types)
    TRY_OK(tx.later(
        "INSERT INTO types(name, schema, updated_at) VALUES(?1, ?2, ?3) ON CONFLICT(name) DO UPDATE SET "
        "schema = excluded.schema, updated_at = excluded.updated_at",
        {name, schema, tx.now()}));
  return {};
}

}  // namespace

Result<Node> get_node(Tx& tx, const std::string& id) {
  TRY(const Rows rows, tx.run(std::string(kColumns) + "WHERE id = ?1", {id}));
  if (rows.empty()) return sys_error("no such node:", printable(id.substr(0, 80)), ENOENT);
  return node_of(rows[0]);
}

Result<std::vector<Node>> list_nodes(Tx& tx, const std::string& after_name, int64_t limit) {
  TRY(const Rows rows,
      tx.run(std::string(kColumns) + "WHERE name > ?1 ORDER BY name LIMIT ?2", {after_name, limit}));
  std::vector<Node> out;
  for (const Row& row : rows) out.push_back(node_of(row));
  return out;
}

Json node_json(const Node& node) {
  Json out;
  out["id"] = node.id;
  out["name"] = node.name;
  out["state"] = node.revoked ? "revoked" : node.online ? "online" : "offline";
  out["cordoned"] = node.cordoned;
  out["draining"] = node.draining;
  if (!node.note.empty()) out["note"] = node.note;
  out["version"] = node.version;
  out["registered_at"] = rfc3339({node.registered_at * 1'000'000});
  out["last_seen"] = rfc3339({node.last_seen * 1'000'000});
  if (const auto caps = parse_json(node.caps, "a node's capabilities")) out["capabilities"] = *caps;
  return out;
}

Result<Node> register_node(Tx& tx, const std::string& new_id, const Registration& in) {
  TRY(const Rows taken, tx.run(std::string(kColumns) + "WHERE name = ?1", {in.name}));
  std::string id = new_id;
  if (!taken.empty()) {
    const Node old = node_of(taken[0]);
    if (old.join_nonce.empty() || old.join_nonce != in.nonce || old.revoked)
      return sys_error("the name of the node is taken:", in.name, EEXIST,
                       "give every agent a name of its own, or have an admin remove node " + old.id);
    id = old.id;
    TRY_OK(tx.later("UPDATE nodes SET token_hash = ?2, caps = ?3, boot_id = ?4, version = ?5 WHERE id = ?1",
                    {id, in.token_hash, in.caps, in.boot_id, in.version}));
  } else {
    TRY_OK(
        tx.run("INSERT INTO nodes(id, name, token_hash, caps, boot_id, version, join_nonce, registered_at, "
               "updated_at, "
               "last_seen, lease_until) VALUES(?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?8, ?8, ?9)",
               {id, in.name, in.token_hash, in.caps, in.boot_id, in.version, in.nonce, tx.now(),
                tx.now() + in.lease}));
    TRY_OK(add_event(tx, "node.registered", 0, id, "", node_event(id, in.name)));
  }
  TRY_OK(remember_types(tx, in));
  return get_node(tx, id);
}

Status update_node(Tx& tx, const std::string& id, const Registration& in) {
  TRY_OK(tx.later("UPDATE nodes SET caps = ?2, boot_id = ?3, version = ?4, updated_at = ?5 WHERE id = ?1",
                  {id, in.caps, in.boot_id, in.version, tx.now()}));
  TRY_OK(remember_types(tx, in));
  return add_event(tx, "node.updated", 0, id, "", node_event(id, ""));
}

Status rotate_token(Tx& tx, const std::string& id, const std::string& token_hash, int64_t grace_ms) {
  TRY_OK(tx.later(
      "UPDATE nodes SET old_token_hash = token_hash, old_token_until = ?3, token_hash = ?2 WHERE id = ?1",
      {id, token_hash, tx.now() + grace_ms}));
  return add_event(tx, "node.token_rotated", 0, id, "", node_event(id, ""));
}

Status change_node(Tx& tx, const std::string& id, NodeVerb verb, const std::string& note) {
  TRY(const Node node, get_node(tx, id));
  struct Change {
    const char* sql;
    const char* kind;
  };
  const Change change = [&]() -> Change {
    switch (verb) {
      case NodeVerb::drain:
        return {"UPDATE nodes SET draining = 1, note = ?2 WHERE id = ?1", "node.draining"};
      case NodeVerb::undrain:
        return {"UPDATE nodes SET draining = 0, note = ?2 WHERE id = ?1", "node.undrained"};
      case NodeVerb::cordon:
        return {"UPDATE nodes SET cordoned = 1, note = ?2 WHERE id = ?1", "node.cordoned"};
      case NodeVerb::uncordon:
        return {"UPDATE nodes SET cordoned = 0, draining = 0, recent_failures = '', note = ?2 WHERE id = ?1",
                "node.uncordoned"};
      default: return {"UPDATE nodes SET revoked = 1, note = ?2 WHERE id = ?1", "node.revoked"};
    }
  }();
  TRY_OK(tx.later(change.sql, {id, note}));
  return add_event(tx, change.kind, 0, id, "", node_event(id, node.name, note));
}

Status remove_node(Tx& tx, queue::Board& board, const Periods& periods, const std::string& id, bool force) {
  TRY(const Node node, get_node(tx, id));
  TRY(const Rows jobs,
      tx.run("SELECT seq FROM jobs WHERE node = ?1 AND state IN ('offered', 'running')", {id}));
  if (!jobs.empty() && !force)
    return sys_error("the node runs jobs:", node.name, EBUSY,
                     std::to_string(jobs.size()) + " in flight; drain it first, or force");
  for (const Row& row : jobs) {
    auto job = get_job(tx, row[0].i(), true);
    if (job) TRY_OK(lose_attempt(tx, board, periods, *job, "its node was removed", false));
  }
  TRY_OK(tx.later("DELETE FROM nodes WHERE id = ?1", {id}));
  return add_event(tx, "node.removed", 0, id, "", node_event(id, node.name));
}

namespace {

/// A job that the node has and the database gave to it.
Status note_progress(Tx& tx, const Job& job, const Beat::Item& item) {
  if (item.progress.empty()) return {};
  if (item.mark < 0)
    return tx.later("UPDATE attempts SET progress = ?3, progress_at = ?4 WHERE job_seq = ?1 AND attempt = ?2",
                    {job.seq, item.attempt, item.progress, tx.now()});
  TRY(const Rows moved,
      tx.run("UPDATE attempts SET progress = ?3, progress_at = ?4, progress_mark = ?5 WHERE "
             "job_seq = ?1 AND attempt = ?2 AND (progress_mark IS NULL OR progress_mark < ?5)",
             {job.seq, item.attempt, item.progress, tx.now(), item.mark}));
  // Only a watermark that rises pushes the stall clock on: a node that repeats itself does not.
  if (moved.changed > 0 && job.progress_every != 0 && job.hold.empty())
    return tx.later("UPDATE jobs SET progress_by = ?2 WHERE seq = ?1",
                    {job.seq, tx.now() + job.progress_every});
  return {};
}

/// The node has an attempt that is not the job's: what it shall do with it.
Status judge_stranger(Tx& tx, queue::Board& board, const std::string& node, const Beat::Item& item,
                      BeatAnswer& out) {
  const auto stop = [&](std::string reason) {
    out.commands.push_back({item.job, item.attempt, "stop", std::move(reason)});
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

Result<BeatAnswer> heartbeat(Tx& tx, queue::Board& board, const std::string& id, const Beat& in) {
  TRY(const Rows rows,
      tx.run("SELECT draining, cordoned, online, boot_id, session, beat FROM nodes WHERE id = ?1 {LOCK}",
             {id}));
  if (rows.empty()) return sys_error("no such node:", id, ENOENT);
  BeatAnswer out;
  out.draining = rows[0][0].i() != 0;
  out.cordoned = rows[0][1].i() != 0;
  const bool same_session = rows[0][4].s() == in.session;
  if (same_session && in.beat != 0 && in.beat <= rows[0][5].i()) {
    // A late or repeated beat: it shows that the node lived, and its list is of yesterday.
    out.stale = true;
    return out;
  }
  const bool rebooted = !rows[0][3].s().empty() && !in.boot_id.empty() && rows[0][3].s() != in.boot_id;
  TRY_OK(tx.later(
      "UPDATE nodes SET last_seen = ?2, lease_until = ?3, online = 1, boot_id = ?4, session = ?5, beat = ?6 "
      "WHERE id = ?1",
      {id, tx.now(), tx.now() + in.lease, in.boot_id.empty() ? rows[0][3].s() : in.boot_id, in.session,
       in.beat}));
  if (rows[0][2].i() == 0) TRY_OK(add_event(tx, "node.online", 0, id, "", node_event(id, "")));

  // One look for all: a node with a hundred jobs must not cost a hundred queries a beat.
  TRY(const Rows mine,
      tx.run("SELECT seq, id, attempt, state, cancel, hold, reason, progress_every FROM jobs WHERE "
             "node = ?1 AND state IN ('offered', 'running')",
             {id}));
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
    if (row[4].i() != 0)
      out.commands.push_back({item.job, item.attempt, "cancel", row[6].s()});
    else if (job.hold == "paused")
      out.commands.push_back({item.job, item.attempt, "pause", ""});
    else
      out.commands.push_back({item.job, item.attempt, "run", ""});
  }
  for (const Row& row : mine) {
    if (row[3].s() != "running" || known.contains(row[1].s())) continue;
    TRY(Job job, get_job(tx, row[0].i(), true));
    if (job.state != "running" || job.node != id) continue;
    // It may have been accepted while this beat was under way.
    if (!rebooted && tx.now() - job.started_at < in.periods.forget_slack) continue;
    TRY_OK(lose_attempt(tx, board, in.periods, job,
                        rebooted ? "its node was restarted" : "its node does not know it", rebooted));
  }
  for (const Beat::Item* item : strangers) TRY_OK(judge_stranger(tx, board, id, *item, out));
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

Result<std::map<std::string, std::string>> job_types(Tx& tx) {
  TRY(const Rows rows, tx.run("SELECT name, schema FROM types ORDER BY name"));
  std::map<std::string, std::string> out;
  for (const Row& row : rows) out.emplace(row[0].s(), row[1].s());
  return out;
}

namespace {
/// How far each node is from running it; the one with the fewest obstacles is the nearest.
Result<Json> obstacles(Tx& tx, const queue::Needs& needs, const Job& job, bool& possible) {
  TRY(const auto nodes, list_nodes(tx, "", 10'000));
  Json nearest;
  size_t fewest = SIZE_MAX;
  std::map<std::string, int64_t> counts;
  int64_t online = 0, able = 0;
  for (const Node& node : nodes) {
    if (node.revoked) continue;
    FieldErrors ignored;
    const auto caps = parse_json(node.caps, "capabilities");
    auto lacks =
        queue::unmet(needs, caps ? queue::read_caps(*caps, "", ignored) : queue::NodeCaps{}, node.id);
    if (lacks.empty()) possible = true;
    if (!node.online)
      lacks.push_back({"node", "online", "offline since " + rfc3339({node.last_seen * 1'000'000})});
    if (node.cordoned) lacks.push_back({"node", "open", "cordoned: " + node.note});
    if (node.draining) lacks.push_back({"node", "open", "draining"});
    if (queue::listed(job.avoid, node.id)) lacks.push_back({"node", "another", "an attempt failed here"});
    online += node.online ? 1 : 0;
    able += lacks.empty() ? 1 : 0;
    for (const auto& lack : lacks) counts[lack.what + " " + lack.wanted]++;
    if (lacks.size() >= fewest) continue;
    fewest = lacks.size();
    nearest = Json::object();
    nearest["node"] = node.id;
    nearest["name"] = node.name;
    Json list = Json::array();
    for (const auto& lack : lacks) {
      Json one;
      one["what"] = lack.what;
      one["wanted"] = lack.wanted;
      one["has"] = lack.has;
      list.push_back(one);
    }
    nearest["unmet"] = list;
  }
  Json out;
  out["nodes"] = nodes.size();
  out["online"] = online;
  out["able_now"] = able;
  Json unmet = Json::object();
  for (const auto& [what, count] : counts) unmet[what] = count;
  out["unmet_on"] = unmet;
  out["nearest"] = nearest;
  return out;
}
}  // namespace

Result<Json> why(Tx& tx, const queue::Board& board, const Job& job) {
  Json out;
  out["job"] = job.id;
  out["state"] = job.state;
  if (job.state != "queued") {
    out["why"] = queue::active(job.state) ? "it is " + job.state + " on node " + job.node
                 : job.reason.empty()     ? "it has " + job.state
                                          : job.reason;
    return out;
  }
  TRY(const Rows needs, tx.run("SELECT needs FROM classes WHERE id = ?1", {job.class_id}));
  TRY(const Json document, parse_json(needs.empty() ? "{}" : needs[0][0].s(), "a job class"));
  bool possible = false;
  TRY(Json fleet, obstacles(tx, queue::needs_from(document), job, possible));
  const auto policy = board.tenant(job.tenant);
  if (job.hold == "paused") {
    out["why"] = "it is paused";
  } else if (job.hold == "quarantined") {
    out["why"] = "it is quarantined: it was running when " + std::to_string(queue::count_of(job.lost_on)) +
                 " nodes went down; resume it to try again";
  } else if (job.waiting > 0) {
    TRY(const Rows deps,
        tx.run("SELECT j.id, j.state FROM deps d JOIN jobs j ON j.seq = d.after_seq WHERE d.job_seq = ?1",
               {job.seq}));
    std::vector<std::string> what;
    for (const Row& row : deps) what.push_back("job " + row[0].s() + " (" + row[1].s() + ")");
    TRY(const Rows files,
        tx.run("SELECT name FROM files WHERE job_seq = ?1 AND kind = 'input' AND state <> 'complete'",
               {job.seq}));
    for (const Row& row : files) what.push_back("the upload of " + row[0].s());
    out["why"] = "it waits for " + join(what, ", ");
  } else if (job.ready_at > tx.now()) {
    out["why"] = (job.failures > 0 ? "it failed (" + job.reason + ") and is tried again at "
                                   : "it may not start before ") +
                 rfc3339({job.ready_at * 1'000'000});
  } else if (fleet["nodes"] == 0) {
    out["why"] = "no node has registered";
  } else if (!possible) {
    out["why"] = "no registered node can ever run it";
  } else if (fleet["able_now"] == 0) {
    out["why"] = "no node that could run it takes work now";
  } else if (policy.max_running > 0 && board.running(job.tenant) >= policy.max_running) {
    out["why"] =
        "its tenant has " + std::to_string(policy.max_running) + " jobs in flight, which is its limit";
  } else {
    out["why"] = "it waits for its turn: every node that can run it is busy or has not asked yet";
  }
  out["fleet"] = fleet;
  return out;
}

}  // namespace ffrtmp::store
