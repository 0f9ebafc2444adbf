// The outbox: what is told to the master about attempts that have ended, until it has said that it knows.
#include <algorithm>

#include "agent/agent.h"
#include "agent/fault.h"
#include "agent/log.h"
#include "sys/text.h"

namespace ffrtmp::agent {

namespace {

/// Results are short and somebody waits for them; files are long.
int rank_of(const OutboxItem& item) { return item.kind == "result" ? 0 : item.kind == "log" ? 1 : 2; }

constexpr const char* kFilesRefused = "refused";

}  // namespace

bool Agent::item_goes_first(const OutboxItem& a, const OutboxItem& b) const {
  return std::pair(rank_of(a), a.id) < std::pair(rank_of(b), b.id);
}

Agent::Carrier& Agent::carrier_of(const OutboxItem& item) {
  return item.kind == "put" ? elsewhere_ : to_master_;
}

/// For the master's `why`: what of an attempt is still to be told, and what is in the way.
Json Agent::delivery_of(const Job& job) const {
  int64_t items = 0;
  std::string trouble;
  for (const auto& item : outbox_) {
    if (!item.is_of(job.attempt)) continue;
    items++;
    if (const auto put = puts_.find(item.id); put != puts_.end()) trouble = put->second.why;
  }
  Json out = {{"items", items}};
  if (!trouble.empty()) out["trouble"] = trouble.substr(0, 400);
  return {{"delivering", out}};
}

void Agent::deliver_in(Carrier& carrier, Duration pause) {
  loop_->cancel(carrier.timer);
  carrier.timer = loop_->after(pause, [this, &carrier] { deliver(carrier); });
}

void Agent::deliver_soon() {
  deliver_in(to_master_, {});
  deliver_in(elsewhere_, {});
}

/// One piece of one item at a time, for each of the two. Of each attempt only its oldest item is looked at:
/// log and artifacts go before the result, since the master takes no artifact of an attempt that has ended.
/// After a silence the master first hears with a heartbeat what we have: to one that has given our attempts
/// up, a failure would be that of a stranger.
void Agent::deliver(Carrier& carrier) {
  loop_->cancel(carrier.timer);
  carrier.timer = 0;
  if (carrier.busy || !identity_.registered() || (!told_ && last_refusal_.empty())) return;
  const OutboxItem* next = nullptr;
  std::optional<Duration> wait;
  std::vector<std::string> seen;
  for (const auto& item : outbox_) {
    const std::string key = item.job + "." + std::to_string(item.number);
    if (std::ranges::find(seen, key) != seen.end()) continue;
    seen.push_back(key);
    if (&carrier_of(item) != &carrier) continue;
    if (const auto put = puts_.find(item.id); put != puts_.end() && put->second.due > boot_time()) {
      const Duration left = put->second.due - boot_time();
      wait = wait ? std::min(*wait, left) : left;
      continue;
    }
    if (!next || item_goes_first(item, *next)) next = &item;
  }
  if (!next && wait) return deliver_in(carrier, *wait);
  if (!next) return maybe_leave();
  const JobPtr job = find(next->job, next->number);
  if (!job) {  // its attempt was forgotten
    (void)state_->outbox_done(next->id);
    outbox_ = state_->outbox();
    return deliver_in(carrier, {});
  }
  send_item(*next, job);
}

void Agent::send_item(OutboxItem item, const JobPtr& job) {
  Carrier& carrier = carrier_of(item);
  carrier.busy = true;
  if (!carrier.pool) carrier.pool = std::make_unique<net::Pool>(1);
  std::string url;
  if (item.kind == "put") {
    job->stop_put =
        std::make_shared<std::atomic<bool>>(false);  // it goes in one request, which may take hours
    std::vector<std::string> outputs;
    if (const std::string one = text_or(job->attempt.spec, "output"); !one.empty()) outputs.push_back(one);
    if (const Json& more = at_or_null(job->attempt.spec, "outputs"); more.is_array())
      for (const Json& each : more)
        if (each.is_string()) outputs.push_back(each.get<std::string>());
    const uint64_t index = whole_or(item.body, "output", 0);
    if (index < outputs.size()) url = outputs[index];
  }
  carrier.pool->post([this, item = std::move(item), job, url, attempt = job->attempt, folder = job->folder,
                      node = identity_.id, inward = options_.allow_inward, stop = job->stop_put] {
    Sent sent;
    if (item.kind == "log")
      sent = send_log(*carry_link_, attempt, folder, true);
    else if (item.kind == "artifact")
      sent = send_artifact(*carry_link_, item, piece_size_);
    else if (item.kind == "put")
      sent = send_put(item, url, inward, stop);
    else
      sent = send_result(*carry_link_, node, item);
    loop_->post([this, item, job, sent] { on_sent(item, job, sent); });
  });
}

void Agent::on_sent(const OutboxItem& item, const JobPtr& job, const Sent& sent) {
  Carrier& carrier = carrier_of(item);
  carrier.busy = false;
  if (sent.kind != Sent::Kind::later) puts_.erase(item.id);
  // Forgotten, or called off, while it was on its way.
  if (!jobs_.contains(job->attempt.key()) ||
      std::ranges::none_of(outbox_, [&](const OutboxItem& other) { return other.id == item.id; }))
    return deliver_soon();
  const auto drop_item = [&] {
    if (const auto done = state_->outbox_done(item.id); !done) return;
    std::erase_if(outbox_, [&](const OutboxItem& other) { return other.id == item.id; });
  };
  if (item.kind == "log") {
    counters_.log_bytes += sent.bytes;
    job->attempt.log_from = std::max(job->attempt.log_from, sent.log_from);
    job->attempt.log_at = std::max(job->attempt.log_at, sent.log_at);
    if (sent.bytes > 0) (void)state_->save(job->attempt);
  }
  if (item.kind == "artifact") counters_.artifact_bytes += sent.bytes;
  switch (sent.kind) {
    case Sent::Kind::later:
      if (sent.why != last_trouble_)
        log(Level::warning, "not told yet", {{"job", item.job}, {"error", sent.why}});
      last_trouble_ = sent.why;
      if (&carrier == &elsewhere_) {  // to another address the next one may get through
        Put& put = puts_[item.id];
        put.due = boot_time() + put.backoff.next(sent.retry_after);
        put.why = sent.why;
        return deliver_in(carrier, {});
      }
      return deliver_in(carrier, carrier.backoff.next(sent.retry_after));
    case Sent::Kind::key:
      on_bad_key(sent.why);
      return deliver_in(carrier, carrier.backoff.next(sent.retry_after));
    case Sent::Kind::more: carrier.backoff.reset(); return deliver_in(carrier, {});
    case Sent::Kind::missing: {
      // The master has lost what it had, or never had it: the files are told again.
      log(Level::warning, "the master misses a file of a result", {{"job", item.job}, {"error", sent.why}});
      Sight sight = look(host_, job->attempt, job->folder);
      if (sight.kind != Sight::Kind::ended) return on_broken(item, job, sent.why);
      const Outcome outcome = judge_result(job->attempt, sight.result);
      if (const auto again = state_->end(job->attempt, outbox_items(job->attempt, outcome, job->folder));
          again)
        outbox_ = state_->outbox();
      return deliver_in(carrier, carrier.backoff.next());
    }
    case Sent::Kind::broken: carrier.backoff.reset(); return on_broken(item, job, sent.why);
    case Sent::Kind::stale:
      // Of the attempt's files nobody wants any more; the answer to its result is the last word.
      carrier.backoff.reset();
      if (item.kind == "result") {
        log(Level::info, "the master had this attempt no more", {{"job", item.job}, {"why", sent.why}});
        counters_.results_told++;
        forget(job);
      } else {
        drop_item();
      }
      return deliver_soon();
    case Sent::Kind::done: break;
  }
  carrier.backoff.reset();
  if (item.kind == "result") {
    fault_point("told");
    counters_.results_told++;
    log(Level::info, "the master has the result",
        {{"job", item.job}, {"attempt", std::to_string(item.number)}});
    forget(job);
  } else {
    drop_item();
  }
  deliver_soon();
}

/// It was cancelled while its files were on their way: nobody wants them any more. When only its result is
/// left to tell, that stays what it is.
void Agent::call_off_delivery(const JobPtr& job) {
  const bool files = std::ranges::any_of(outbox_, [&](const OutboxItem& item) {
    return item.is_of(job->attempt) && (item.kind == "artifact" || item.kind == "put");
  });
  if (!files) return;
  const Json body = result_body(job->attempt, cancelled(job->attempt, Json::object()));
  if (const auto saved = state_->outbox_only_result(job->attempt, body); !saved) return;  // told again soon
  outbox_ = state_->outbox();
  if (job->stop_put) *job->stop_put = true;
  deliver_soon();
}

/// It will never be taken as it is. A result without its file is no success.
void Agent::on_broken(const OutboxItem& item, const JobPtr& job, const std::string& why) {
  log(Level::error, "the master does not take it", {{"job", item.job}, {"what", item.kind}, {"error", why}});
  if (item.kind == "log") {
    (void)state_->outbox_done(item.id);
  } else if (item.kind == "result") {
    if (item.body.contains(kFilesRefused) || !item.body.contains("result")) {
      // Not even the least of results: it stays, and is tried again after a long pause, for no result is
      // lost.
      return deliver_in(to_master_, std::chrono::minutes(5));
    }
    Json least = {{"job", item.job}, {"attempt", item.number}};
    for (const char* key : {"outcome", "class", "reason", "artifacts"})
      if (item.body.contains(key)) least[key] = item.body[key];
    (void)state_->outbox_replace(item.id, least);
  } else {
    const Json failed = {
        {"job", item.job},
        {"attempt", item.number},
        {"outcome", "failed"},
        {"class", item.kind == "put" ? "network" : "node"},
        {"reason", printable(("the output was made, and could not be delivered: " + why).substr(0, 1500))}};
    (void)state_->outbox_only_result(job->attempt, failed);
  }
  outbox_ = state_->outbox();
  deliver_soon();
}

/// Once in a heartbeat, a piece of each running job's log.
void Agent::send_live_logs() {
  for (const auto& [key, job] : jobs_) {
    if (job->attempt.step != Step::running || job->log_waits || job->log_done) continue;
    if (read_log_piece(job->folder + "/" + kLogName, job->attempt.log_from, false, 4096).text.empty())
      continue;
    job->log_waits = true;
    to_master_.pool->post([this, job, attempt = job->attempt, folder = job->folder] {
      const Sent sent = send_log(*carry_link_, attempt, folder, false);
      loop_->post([this, job, sent] { on_live_log(job, sent); });
    });
  }
}

void Agent::on_live_log(const JobPtr& job, const Sent& sent) {
  job->log_waits = false;
  if (sent.kind == Sent::Kind::done) job->log_done = job->attempt.step == Step::running;
  if (sent.kind != Sent::Kind::more && sent.kind != Sent::Kind::done) return;
  // The end of the job may have sent the same piece meanwhile.
  if (sent.log_from <= job->attempt.log_from || !jobs_.contains(job->attempt.key())) return;
  job->attempt.log_from = sent.log_from;
  job->attempt.log_at = sent.log_at;
  counters_.log_bytes += sent.bytes;
  (void)state_->save(job->attempt);
}

}  // namespace ffrtmp::agent
