#pragma once

#include "store/database.h"
#include "sys/json.h"

namespace ffrtmp::store {

/// An API key. Only the SHA-256 of its secret is kept: the secret is 256 random bits, so nothing slower is
/// needed.
struct Key {
  std::string id, name, role, tenant, hash;
  int64_t created_at = 0, expires_at = 0, revoked_at = 0;
};
Status add_key(Tx& tx, const Key& key);
/// ENOENT when there is none.
Result<Key> get_key(Tx& tx, const std::string& id);
Result<std::vector<Key>> list_keys(Tx& tx);
Status revoke_key(Tx& tx, const std::string& id);
Json key_json(const Key& key);

}  // namespace ffrtmp::store
