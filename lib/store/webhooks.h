#pragma once

#include "store/events.h"

namespace ffrtmp::store {

/// A receiver of events. What it has got is a cursor in the events themselves: nothing is lost while it is
/// down, and a replay is a step back.
struct Webhook {
  std::string id, url, secret, kinds, tenant, last_error;
  Cursor cursor;
  int64_t created_at = 0, tries = 0, next_at = 0, delivered = 0;

  /// `kinds` is empty (all) or a list such as "job.succeeded,node."; a trailing dot takes a family. A tenant
  /// sees its own.
  bool wants(const Event& event) const;
};
Status add_webhook(Tx& tx, const Webhook& hook);
Result<Webhook> get_webhook(Tx& tx, const std::string& id);
Result<std::vector<Webhook>> list_webhooks(Tx& tx);
Status delete_webhook(Tx& tx, const std::string& id);
/// Where it stands after a delivery (`tries` 0), or when to try again.
Status set_webhook_cursor(Tx& tx, const std::string& id, const Cursor& cursor, int64_t tries, int64_t next_at,
                          const std::string& error, int64_t delivered = 0);
/// Without its secret, and with credentials in the URL hidden.
Json webhook_json(const Webhook& hook);

}  // namespace ffrtmp::store
