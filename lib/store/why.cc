#include <algorithm>

#include "queue/state.h"
#include "store/nodes.h"
#include "sys/clock.h"
#include "sys/text.h"

namespace ffrtmp::store {

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

/// Of a job that a node has.
Result<std::string> what_it_does(Tx& tx, const Job& job) {
  TRY(const Rows rows,
      tx.run("SELECT progress FROM attempts WHERE job_seq = ?1 AND attempt = ?2", {job.seq, job.attempt}));
  const auto progress = rows.empty() ? Json() : parse_json(rows[0][0].s(), "progress").value_or(Json());
  const Json& delivering = at_or_null(progress, "delivering");
  if (!delivering.is_object()) return "it is " + job.state + " on node " + job.node;
  const std::string trouble = text_or(delivering, "trouble");
  return "its work is done, and node " + job.node + " delivers what came of it" +
         (trouble.empty() ? "" : ": not yet, " + printable(trouble));
}
}  // namespace

Result<Json> why(Tx& tx, const queue::Board& board, const Job& job) {
  Json out;
  out["job"] = job.id;
  out["state"] = job.state;
  if (queue::active(job.state)) {
    TRY(out["why"], what_it_does(tx, job));
    return out;
  }
  if (job.state != "queued") {
    out["why"] = job.reason.empty() ? "it has " + job.state : job.reason;
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
