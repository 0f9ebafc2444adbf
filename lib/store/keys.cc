#include "store/keys.h"

#include "store/events.h"
#include "sys/clock.h"
#include "sys/text.h"

namespace ffrtmp::store {

namespace {
constexpr const char* kColumns =
    "SELECT id, name, role, tenant, hash, created_at, expires_at, revoked_at FROM keys ";
Key key_of(const Row& r) {
  return {r[0].s(), r[1].s(), r[2].s(), r[3].s(), r[4].s(), r[5].i(), r[6].i(), r[7].i()};
}
}  // namespace

Status add_key(Tx& tx, const Key& key) {
  TRY_OK(
      tx.run("INSERT INTO keys(id, name, role, tenant, hash, created_at, expires_at) VALUES(?1, ?2, ?3, ?4, "
             "?5, ?6, ?7)",
             {key.id, key.name, key.role, key.tenant, key.hash, tx.now(), or_null(key.expires_at)}));
  return add_event(tx, "key.created", 0, "", key.tenant,
                   "{\"key\":\"" + key.id + "\",\"role\":\"" + key.role + "\"}");
}

Result<Key> get_key(Tx& tx, const std::string& id) {
  TRY(const Rows rows, tx.run(std::string(kColumns) + "WHERE id = ?1", {id}));
  if (rows.empty()) return sys_error("no such key:", printable(id.substr(0, 40)), ENOENT);
  return key_of(rows[0]);
}

Result<std::vector<Key>> list_keys(Tx& tx) {
  TRY(const Rows rows, tx.run(std::string(kColumns) + "ORDER BY created_at, id LIMIT 10000"));
  std::vector<Key> out;
  for (const Row& row : rows) out.push_back(key_of(row));
  return out;
}

Status revoke_key(Tx& tx, const std::string& id) {
  TRY(const Key key, get_key(tx, id));
  if (key.revoked_at != 0) return {};
  TRY_OK(tx.later("UPDATE keys SET revoked_at = ?2 WHERE id = ?1", {id, tx.now()}));
  return add_event(tx, "key.revoked", 0, "", key.tenant, "{\"key\":\"" + id + "\"}");
}

Json key_json(const Key& key) {
  const auto when = [](int64_t ms) { return ms == 0 ? Json(nullptr) : Json(rfc3339({ms * 1'000'000})); };
  Json out;
  out["id"] = key.id;
  out["name"] = key.name;
  out["role"] = key.role;
  out["tenant"] = key.tenant;
  out["created_at"] = when(key.created_at);
  out["expires_at"] = when(key.expires_at);
  out["revoked_at"] = when(key.revoked_at);
  return out;
}

}  // namespace ffrtmp::store
