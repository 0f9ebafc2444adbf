#include "api.h"
#include "net/digest.h"
#include "net/url_guard.h"
#include "store/keys.h"
#include "store/webhooks.h"

namespace ffrtmp::master {

Answer create_key(std::shared_ptr<Call> call) {
  net::Response refused;
  const auto body = body_json(*call, refused);
  if (!body) return refused;
  FieldErrors errors;
  ObjectReader in(*body, "", errors);
  store::Key key;
  key.name = in.text("name", 1, 128);
  key.role = in.choice("role", {"admin", "submit", "worker"}, "");
  key.tenant = in.text("tenant", 0, 64, "default");
  key.expires_at = in.moment("expires_at");
  in.done();
  if (key.role.empty()) in.missing("role", "is required: admin, submit or worker");
  if (key.expires_at != 0 && key.expires_at <= call->app.db->now_estimate())
    in.error("expires_at", "is in the past");
  if (!errors.empty()) return problem(422, "", "the key is not right", errors);
  const Token token = make_token("ffk_", "");
  key.id = token.id;
  key.hash = net::sha256_hex(token.secret);
  Json out;
  const Status done = call->app.write([&](store::Tx& tx) -> Status {
    TRY_OK(store::add_key(tx, key));
    TRY(const store::Key made, store::get_key(tx, key.id));
    out = store::key_json(made);
    return {};
  });
  if (!done) return failure(done.error());
  out["key"] = token.text;
  return json(201, out);
}

Answer list_keys(std::shared_ptr<Call> call) {
  Json out;
  const Status done = call->app.read([&](store::Tx& tx) -> Status {
    TRY(const auto keys, store::list_keys(tx));
    Json list = Json::array();
    for (const auto& key : keys) list.push_back(store::key_json(key));
    out["keys"] = list;
    return {};
  });
  if (!done) return failure(done.error());
  return json(200, out);
}

Answer revoke_key(std::shared_ptr<Call> call) {
  Json out;
  const Status done = call->app.write([&](store::Tx& tx) -> Status {
    TRY_OK(store::revoke_key(tx, call->path[0]));
    TRY(const store::Key key, store::get_key(tx, call->path[0]));
    out = store::key_json(key);
    return {};
  });
  if (!done) return failure(done.error());
  call->app.forget_auth();
  return json(200, out);
}

Answer create_webhook(std::shared_ptr<Call> call) {
  net::Response refused;
  const auto body = body_json(*call, refused);
  if (!body) return refused;
  FieldErrors errors;
  ObjectReader in(*body, "", errors);
  store::Webhook hook;
  hook.url = in.text("url", 1, 2048);
  hook.secret = in.text("secret", 0, 256);
  const auto kinds = in.texts("kinds", 32, 64);
  in.done();
  if (!hook.secret.empty() && hook.secret.size() < 16) in.error("secret", "must have at least 16 bytes");
  if (!hook.url.empty() && !hook.url.starts_with("https://") && !hook.url.starts_with("http://"))
    in.error("url", "must be an http or https URL");
  if (!call->app.options.allow_inward_urls && !net::check_outward(hook.url))
    in.error("url", "points inward: loopback, link-local and metadata addresses are refused");
  if (!errors.empty()) return problem(422, "", "the webhook is not right", errors);
  const bool made_secret = hook.secret.empty();
  if (made_secret) hook.secret = net::random_hex(32);
  hook.id = "w-" + net::random_hex(6);
  hook.tenant = call->who.role == "admin" ? "" : call->who.tenant;
  for (const auto& kind : kinds) hook.kinds += (hook.kinds.empty() ? "" : ",") + kind;
  Json out;
  const Status done = call->app.write([&](store::Tx& tx) -> Status {
    TRY(hook.cursor, store::newest_event(tx));
    TRY_OK(store::add_webhook(tx, hook));
    out = store::webhook_json(hook);
    return {};
  });
  if (!done) return failure(done.error());
  if (made_secret) out["secret"] = hook.secret;
  return json(201, out);
}

namespace {
/// EACCES would tell that it exists: another tenant's webhook is not there.
Result<store::Webhook> my_webhook(store::Tx& tx, const Call& call) {
  TRY(store::Webhook hook, store::get_webhook(tx, call.path[0]));
  if (call.who.role != "admin" && hook.tenant != call.who.tenant)
    return sys_error("no such webhook:", call.path[0], ENOENT);
  return hook;
}
}  // namespace

Answer list_webhooks(std::shared_ptr<Call> call) {
  Json out;
  const Status done = call->app.read([&](store::Tx& tx) -> Status {
    TRY(const auto hooks, store::list_webhooks(tx));
    Json list = Json::array();
    for (const auto& hook : hooks)
      if (call->who.role == "admin" || hook.tenant == call->who.tenant)
        list.push_back(store::webhook_json(hook));
    out["webhooks"] = list;
    return {};
  });
  if (!done) return failure(done.error());
  return json(200, out);
}

Answer delete_webhook(std::shared_ptr<Call> call) {
  const Status done = call->app.write([&](store::Tx& tx) -> Status {
    TRY(const store::Webhook hook, my_webhook(tx, *call));
    return store::delete_webhook(tx, hook.id);
  });
  if (!done) return failure(done.error());
  Json out;
  out["id"] = call->path[0];
  out["deleted"] = true;
  return json(200, out);
}

Answer replay_webhook(std::shared_ptr<Call> call) {
  net::Response refused;
  const auto body = body_json(*call, refused);
  if (!body) return refused;
  FieldErrors errors;
  ObjectReader in(*body, "", errors);
  const std::string text = in.text("cursor", 0, 64, "0-0");
  in.done();
  const auto cursor = store::parse_cursor(text);
  if (!cursor) in.error("cursor", cursor.error().message());
  if (!errors.empty()) return problem(422, "", "the replay is not right", errors);
  Json out;
  const Status done = call->app.write([&](store::Tx& tx) -> Status {
    TRY(store::Webhook hook, my_webhook(tx, *call));
    TRY_OK(store::set_webhook_cursor(tx, hook.id, *cursor, 0, 0, ""));
    hook.cursor = *cursor;
    out = store::webhook_json(hook);
    return {};
  });
  if (!done) return failure(done.error());
  return json(200, out);
}

}  // namespace ffrtmp::master
