#pragma once

#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "agent/attempt.h"
#include "agent/sqlite.h"
#include "sys/fd.h"

namespace ffrtmp::agent {

/// What the agent knows, on disk: STATE_DIR/agent.db. Belongs to the loop's thread. Every member that changes
/// something returns when that is durable.
class State {
 public:
  /// Opens it; a damaged one is set aside (agent.db.damaged-TIME) and a new one begun. Errors: another agent
  /// uses the folder, the disk is full or read-only, it was written by a newer version.
  static Result<State> open(const std::string& state_dir);

  /// Why a new database was begun in place of an old one; "" when it was not.
  const std::string& set_aside() const { return set_aside_; }

  std::vector<Attempt> attempts() const;
  /// New ones, and the nonce with which the next wish is made: a grant is ours only once both are on disk.
  Status add(const std::vector<Attempt>& attempts, const std::string& next_nonce);
  Status save(const Attempt& attempt);
  /// The attempt has ended: its step and what is to be told of it, at once.
  Status end(const Attempt& attempt, const std::vector<OutboxItem>& items);
  /// Nothing of it is left to do.
  Status remove(const Attempt& attempt);

  std::vector<OutboxItem> outbox() const;
  /// Bytes that it holds.
  uint64_t outbox_bytes() const;
  Status outbox_done(int64_t id);
  Status outbox_replace(int64_t id, const Json& body);
  /// Another result in place of an attempt's, and nothing else of it.
  Status outbox_only_result(const Attempt& attempt, const Json& body);

  std::string value(const std::string& name) const;
  Status set_value(const std::string& name, const std::string& value);

 private:
  State(Fd lock, std::unique_ptr<Sqlite> db) : lock_(std::move(lock)), db_(std::move(db)) {}
  Fd lock_;
  std::unique_ptr<Sqlite> db_;
  std::string set_aside_;
};

}  // namespace ffrtmp::agent
