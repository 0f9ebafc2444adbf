#pragma once

#include <condition_variable>
#include <mutex>
#include <thread>

#include "app.h"
#include "store/webhooks.h"

namespace ffrtmp::master {

/// Delivers events to webhooks, in order, each at least once: a POST a event with X-Ffrtmp-Signature
/// (HMAC-SHA-256 over "id.body"), retried with backoff for ever; the receiver tells repetitions by the
/// event's id. Runs on the master that leads.
class WebhookSender {
 public:
  explicit WebhookSender(App& app);
  ~WebhookSender();
  WebhookSender(const WebhookSender&) = delete;
  WebhookSender& operator=(const WebhookSender&) = delete;

 private:
  void loop();
  /// True when there may be more at once.
  bool deliver(const store::Webhook& hook);
  App& app_;
  std::mutex mutex_;
  std::condition_variable wake_;
  bool stopping_ = false, rung_ = true;
  std::thread thread_;
};

}  // namespace ffrtmp::master
