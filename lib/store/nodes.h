#pragma once

#include "store/claims.h"

namespace ffrtmp::store {

struct Node {
  std::string id, name, token_hash, old_token_hash, caps, boot_id, version, session, note, recent_failures,
      join_nonce;
  int64_t old_token_until = 0, registered_at = 0, last_seen = 0, lease_until = 0, beat = 0;
  bool online = false, cordoned = false, draining = false, revoked = false;
};
/// ENOENT when there is none.
Result<Node> get_node(Tx& tx, const std::string& id);
Result<std::vector<Node>> list_nodes(Tx& tx, const std::string& after_name, int64_t limit);
Json node_json(const Node& node);
/// The data of an event about a node.
std::string node_event(const std::string& id, const std::string& name, const std::string& reason = {});

struct Registration {
  std::string name, boot_id, version, nonce, token_hash;
  std::string caps;                                        ///< JSON
  std::vector<std::pair<std::string, std::string>> types;  ///< name, parameter schema (JSON)
  int64_t lease = 0;
};
/// A new node. EEXIST when the name is taken by another one; a repeated request (same nonce) gives the same
/// node and replaces its token.
Result<Node> register_node(Tx& tx, const std::string& new_id, const Registration& in);
/// The node tells anew what it can do (after an upgrade, a new driver).
Status update_node(Tx& tx, const std::string& id, const Registration& in);
/// The old token stays good for `grace_ms`, so that a lost answer locks nobody out.
Status rotate_token(Tx& tx, const std::string& id, const std::string& token_hash, int64_t grace_ms);

enum class NodeVerb { drain, undrain, cordon, uncordon, revoke };
Status change_node(Tx& tx, const std::string& id, NodeVerb verb, const std::string& note);
/// EBUSY while it runs jobs, unless `force`: then they are lost.
Status remove_node(Tx& tx, queue::Board& board, const Periods& periods, const std::string& id, bool force);

struct Beat {
  struct Item {
    std::string job;
    int64_t attempt = 0;
    std::string progress;     ///< JSON; empty: nothing new
    int64_t mark = -1;        ///< must grow while the job advances (frames, or out_time in ms); -1 unknown
    bool delivering = false;  ///< its work has ended, and its files are on their way: its clocks are stopped
  };
  std::string boot_id, session;
  int64_t beat = 0;  ///< grows with every heartbeat of a session; one that comes late is ignored
  std::vector<Item> jobs;
  Periods periods;
  int64_t lease = 0;
};
struct Command {
  std::string job;
  int64_t attempt = 0;
  std::string action;  ///< cancel, pause, resume, stop (not yours any more)
  std::string reason;
  std::string queue, priority;  ///< as they are now; "" of what is not its job any more
};
struct BeatAnswer {
  std::vector<Command> commands;
  bool draining = false, cordoned = false, stale = false;
  bool refused = false;  ///< it came from a second agent with the node's identity
  bool routine = false;  ///< it said what the one before said: nothing but moments has changed
};
Result<BeatAnswer> heartbeat(Tx& tx, queue::Board& board, const std::string& node, const Beat& in);

/// Progress between two beats, behind the fence.
Result<FenceAnswer> note_progress(Tx& tx, const std::string& node, const Beat::Item& item);

/// Job types that nodes have declared: name → schema.
Result<std::map<std::string, std::string>> job_types(Tx& tx);

/// Why a job does not run: every constraint that is not met, the nearest node, or what it waits for.
Result<Json> why(Tx& tx, const queue::Board& board, const Job& job);

}  // namespace ffrtmp::store
