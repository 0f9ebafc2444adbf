#include "webhook_sender.h"

#include "client/http_client.h"
#include "log.h"
#include "net/digest.h"

namespace ffrtmp::master {

namespace {
constexpr int64_t kMostWaitMs = 15 * 60'000;

struct Url {
  std::string base, path;
};
Url cut(const std::string& url) {
  const size_t slash = url.find('/', url.find("://") + 3);
  return slash == std::string::npos ? Url{url, "/"} : Url{url.substr(0, slash), url.substr(slash)};
}
}  // namespace

WebhookSender::WebhookSender(App& app) : app_(app), thread_([this] { loop(); }) {
  app_.bell.on_ring([this] {
    const std::lock_guard lock(mutex_);
    if (rung_) return;
    rung_ = true;
    wake_.notify_one();
  });
}

WebhookSender::~WebhookSender() {
  {
    const std::lock_guard lock(mutex_);
    stopping_ = true;
  }
  wake_.notify_all();
  thread_.join();
}

bool WebhookSender::deliver(const store::Webhook& hook) {
  std::vector<store::Event> events;
  int64_t now = 0;
  if (!app_.read([&](store::Tx& tx) -> Status {
        now = tx.now();
        TRY(events, store::events_after(tx, hook.cursor, 100));
        return {};
      }))
    return false;
  if (events.empty()) return false;
  const Url url = cut(hook.url);
  client::ClientOptions options;
  options.base = url.base;
  options.timeout_s = 10;
  options.connect_timeout_s = 5;
  options.refuse_inward = !app_.options.allow_inward_urls;
  auto http = client::HttpClient::open(options);
  store::Cursor cursor = hook.cursor;
  int64_t sent = 0;
  std::string error;
  for (const auto& event : events) {
    if (hook.wants(event)) {
      const std::string id = store::cursor_text(event.cursor), body = dump_json(store::event_json(event));
      const auto answer =
          http ? (*http)->request(
                     "POST", url.path, body,
                     {{"Content-Type", "application/json"},
                      {"X-Ffrtmp-Event", event.kind},
                      {"X-Ffrtmp-Delivery", id},
                      {"X-Ffrtmp-Signature", "sha256=" + net::hmac_sha256_hex(hook.secret, id + "." + body)}})
               : Result<client::Answer>(std::unexpected(http.error()));
      if (!answer)
        error = answer.error().message();
      else if (answer->status < 200 || answer->status > 299)
        error = "it answered " + std::to_string(answer->status);
      if (!error.empty()) break;
      sent++;
    }
    cursor = event.cursor;
  }
  const int64_t tries = error.empty() ? 0 : hook.tries + 1;
  const int64_t wait = std::min<int64_t>(kMostWaitMs, 1000LL << std::min<int64_t>(tries, 20));
  (void)app_.db->write([&](store::Tx& tx) -> Status {
    TRY(const store::Webhook current, store::get_webhook(tx, hook.id));
    // Replayed or deleted meanwhile: that wins.
    if (current.cursor != hook.cursor) return {};
    return store::set_webhook_cursor(tx, hook.id, cursor, tries, error.empty() ? 0 : tx.now() + wait, error,
                                     sent);
  });
  if (!error.empty()) log(Level::warning, "webhook not delivered", {{"webhook", hook.id}, {"error", error}});
  app_.metrics.count(error.empty() ? "webhook_deliveries" : "webhook_failures", error.empty() ? sent : 1);
  return error.empty();
}

void WebhookSender::loop() {
  for (;;) {
    std::vector<store::Webhook> hooks;
    int64_t now = 0;
    if (app_.db->leading())
      (void)app_.read([&](store::Tx& tx) -> Status {
        now = tx.now();
        TRY(hooks, store::list_webhooks(tx));
        return {};
      });
    bool more = false;
    int64_t sleep = hooks.empty() ? 60'000 : 15'000;
    for (const auto& hook : hooks) {
      if (hook.next_at > now)
        sleep = std::min(sleep, hook.next_at - now);
      else
        more |= deliver(hook);
    }
    std::unique_lock lock(mutex_);
    if (stopping_) return;
    if (more) continue;
    // A failure that was just written has its own moment; look again then, or when something happens.
    wake_.wait_for(lock,
                   std::chrono::milliseconds(std::clamp<int64_t>(sleep, 100, hooks.empty() ? 60'000 : 2000)),
                   [&] { return stopping_ || (rung_ && !hooks.empty()) || (rung_ && hooks.empty()); });
    rung_ = false;
    if (stopping_) return;
    lock.unlock();
    // Gather a burst of changes into one look.
    std::this_thread::sleep_for(std::chrono::milliseconds(hooks.empty() ? 500 : 50));
  }
}

}  // namespace ffrtmp::master
