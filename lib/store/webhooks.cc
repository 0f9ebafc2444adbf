#include "store/webhooks.h"

#include "sys/clock.h"
#include "sys/redact.h"
#include "sys/text.h"

namespace ffrtmp::store {

namespace {
constexpr const char* kColumns =
    "SELECT id, url, secret, kinds, tenant, last_error, cursor_xid, cursor_seq, created_at, tries, next_at, "
    "delivered FROM "
    "webhooks ";
Webhook webhook_of(const Row& r) {
  Webhook out;
  out.id = r[0].s(), out.url = r[1].s(), out.secret = r[2].s(), out.kinds = r[3].s(), out.tenant = r[4].s();
  out.last_error = r[5].s(), out.cursor = {r[6].i(), r[7].i()}, out.created_at = r[8].i(),
  out.tries = r[9].i();
  out.next_at = r[10].i(), out.delivered = r[11].i();
  return out;
}
}  // namespace

bool Webhook::wants(const Event& event) const {
  if (!tenant.empty() && event.tenant != tenant) return false;
  if (kinds.empty()) return true;
  for (const auto kind : split(kinds, ','))
    if (kind == event.kind || (kind.ends_with(".") && event.kind.starts_with(kind))) return true;
  return false;
}

Status add_webhook(Tx& tx, const Webhook& hook) {
  return tx.later(
      "INSERT INTO webhooks(id, url, secret, kinds, tenant, created_at, cursor_xid, cursor_seq) "
      "VALUES(?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8)",
      {hook.id, hook.url, hook.secret, hook.kinds, hook.tenant, tx.now(), hook.cursor.xid, hook.cursor.seq});
}

Result<Webhook> get_webhook(Tx& tx, const std::string& id) {
  TRY(const Rows rows, tx.run(std::string(kColumns) + "WHERE id = ?1", {id}));
  if (rows.empty()) return sys_error("no such webhook:", printable(id.substr(0, 40)), ENOENT);
  return webhook_of(rows[0]);
}

Result<std::vector<Webhook>> list_webhooks(Tx& tx) {
  TRY(const Rows rows, tx.run(std::string(kColumns) + "ORDER BY created_at, id LIMIT 1000"));
  std::vector<Webhook> out;
  for (const Row& row : rows) out.push_back(webhook_of(row));
  return out;
}

Status delete_webhook(Tx& tx, const std::string& id) {
  return tx.later("DELETE FROM webhooks WHERE id = ?1", {id});
}

Status set_webhook_cursor(Tx& tx, const std::string& id, const Cursor& cursor, int64_t tries, int64_t next_at,
                          const std::string& error, int64_t delivered) {
  return tx.later(
      "UPDATE webhooks SET cursor_xid = ?2, cursor_seq = ?3, tries = ?4, next_at = ?5, last_error = ?6, "
      "delivered = delivered + ?7 WHERE id = ?1",
      {id, cursor.xid, cursor.seq, tries, next_at, error, delivered});
}

Json webhook_json(const Webhook& hook) {
  Json out;
  out["id"] = hook.id;
  out["url"] = redact(hook.url);
  Json kinds = Json::array();
  for (const auto kind : split(hook.kinds, ','))
    if (!kind.empty()) kinds.push_back(std::string(kind));
  out["kinds"] = kinds;
  out["cursor"] = cursor_text(hook.cursor);
  out["delivered"] = hook.delivered;
  out["failures"] = hook.tries;
  if (!hook.last_error.empty()) out["last_error"] = redact_text(hook.last_error);
  return out;
}

}  // namespace ffrtmp::store
