#include "store/nodes.h"

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

Status remember_types(Tx& tx, const Registration& in) {
  for (const auto& [name, schema] : in.types)
    TRY_OK(tx.later(
        "INSERT INTO types(name, schema, updated_at) VALUES(?1, ?2, ?3) ON CONFLICT(name) DO UPDATE SET "
        "schema = excluded.schema, updated_at = excluded.updated_at",
        {name, schema, tx.now()}));
  return {};
}

}  // namespace

std::string node_event(const std::string& id, const std::string& name, const std::string& reason) {
  Json out;
  out["node"] = id;
  if (!name.empty()) out["name"] = name;
  if (!reason.empty()) out["reason"] = reason;
  return dump_json(out);
}

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

Result<std::map<std::string, std::string>> job_types(Tx& tx) {
  TRY(const Rows rows, tx.run("SELECT name, schema FROM types ORDER BY name"));
  std::map<std::string, std::string> out;
  for (const Row& row : rows) out.emplace(row[0].s(), row[1].s());
  return out;
}

}  // namespace ffrtmp::store
