#include "lease.h"

#include <unordered_map>

namespace ffrtmp::master {

namespace {

/// One parked long poll.
struct Waiting {
  std::shared_ptr<Call> call;
  store::Claim claim;
  int64_t deadline = 0;
  std::mutex mutex;
  bool trying = true;  // until it is parked, whoever ends it leaves the answer to who tries
  bool again = false, expired = false, hurried = false, done = false;
  uint64_t board_ticket = 0, timer = 0;
};

net::Response grants_response(const store::Claimed& claimed, int64_t offer_ms) {
  Json list = Json::array();
  for (const auto& grant : claimed.grants) {
    Json one;
    one["job"] = grant.job;
    one["attempt"] = grant.attempt;
    one["queue"] = grant.queue;
    one["priority"] = grant.priority;
    if (const auto spec = parse_json(grant.document, "a job")) one["spec"] = *spec;
    list.push_back(std::move(one));
  }
  Json out;
  out["grants"] = list;
  out["accept_within_ms"] = offer_ms;
  if (!claimed.closed.empty()) out["closed"] = claimed.closed;
  return json(200, out);
}

/// What it was answered anyway, and that it shall speak.
net::Response hurried_response(const net::Response& answer) {
  auto body = parse_json(answer.body, "an answer of ours");
  if (answer.status != 200 || !body) return answer;
  (*body)["heartbeat_now"] = true;
  return json(200, *body);
}

/// True when it has an answer.
bool ask(const std::shared_ptr<Waiting>& waiting, store::Claimed& claimed, net::Response& answer) {
  App& app = waiting->call->app;
  const Status done = app.db->write([&](store::Tx& tx) -> Status {
    TRY(claimed, store::claim(tx, app.board, waiting->claim));
    return {};
  });
  if (!done) {
    answer = failure(done.error());
    return true;
  }
  if (claimed.refused) {
    answer = second_agent();
    return true;
  }
  if (!claimed.grants.empty()) {
    app.bell.ring();
    app.metrics.count("jobs_offered", static_cast<int64_t>(claimed.grants.size()));
  }
  answer = grants_response(claimed, waiting->claim.periods.offer);
  return !claimed.grants.empty() || !claimed.closed.empty();
}

void attempt(const std::shared_ptr<Waiting>& waiting);

void wake(const std::shared_ptr<Waiting>& waiting) {
  waiting->call->app.wakes.post([waiting] { attempt(waiting); });
}

void settle(const std::shared_ptr<Waiting>& waiting, net::Response answer) {
  App& app = waiting->call->app;
  uint64_t timer = 0, board_ticket = 0;
  {
    const std::lock_guard lock(waiting->mutex);
    if (waiting->done) return;
    waiting->done = true;
    timer = waiting->timer;
    board_ticket = waiting->board_ticket;
    if (waiting->hurried) answer = hurried_response(answer);
  }
  app.parking.cancel(timer);
  app.board.leave(board_ticket);
  finish(waiting->call, std::move(answer));
}

net::Response nothing(const Waiting& waiting) { return grants_response({}, waiting.claim.periods.offer); }

/// Whoever has gone is granted nothing: it would wait for nobody until the offer has run out.
void leave(const std::shared_ptr<Waiting>& waiting) {
  net::Response answer = nothing(*waiting);
  answer.close = true;
  settle(waiting, std::move(answer));
}

/// The board wakes no more nodes than it has jobs: who was woken and asks for nothing wakes another one.
void pass_on(App& app) { app.board.tick(app.db->now_estimate()); }

void attempt(const std::shared_ptr<Waiting>& waiting) {
  App& app = waiting->call->app;
  {
    const std::lock_guard lock(waiting->mutex);
    if (waiting->done) return pass_on(app);
    if (waiting->trying) {
      waiting->again = true;
      return;
    }
    waiting->trying = true;
  }
  for (;;) {
    if (waiting->call->exchange->gone()) {
      leave(waiting);
      return pass_on(app);
    }
    const int64_t news = app.board.news(waiting->claim.node);
    store::Claimed claimed;
    net::Response answer;
    if (ask(waiting, claimed, answer)) return settle(waiting, std::move(answer));
    bool over = false;
    {
      const std::lock_guard lock(waiting->mutex);
      over = waiting->expired || app.draining || monotonic_ms() >= waiting->deadline;
      if (!over && waiting->again) {
        waiting->again = false;
        continue;
      }
      if (!over) {
        waiting->trying = false;
        waiting->board_ticket = app.board.wait(waiting->claim.node, claimed.caps, waiting->claim.free, news,
                                               [waiting] { wake(waiting); });
      }
    }
    if (over) settle(waiting, std::move(answer));
    return;
  }
}

void expire(const std::shared_ptr<Waiting>& waiting, bool hurried = false) {
  {
    const std::lock_guard lock(waiting->mutex);
    waiting->expired = true;
    waiting->hurried |= hurried;
    if (waiting->trying) return;  // it looks at the flag when it is done
  }
  settle(waiting, nothing(*waiting));
}

/// The parked poll of each node. A node has one: an older one is of an agent that is gone, or of a connection
/// that is, and whatever it would be given would wait for nobody until the offer has run out.
std::mutex g_parked_mutex;
std::unordered_map<std::string, std::weak_ptr<Waiting>> g_parked;

void take_the_place(const std::shared_ptr<Waiting>& waiting) {
  std::shared_ptr<Waiting> older;
  {
    const std::lock_guard lock(g_parked_mutex);
    auto& place = g_parked[waiting->claim.node];
    older = place.lock();
    place = waiting;
  }
  if (older) expire(older);
}

}  // namespace

void hurry_here(const std::string& node) {
  std::shared_ptr<Waiting> waiting;
  {
    const std::lock_guard lock(g_parked_mutex);
    if (const auto place = g_parked.find(node); place != g_parked.end()) waiting = place->second.lock();
  }
  if (waiting) waiting->call->app.wakes.post([waiting] { expire(waiting, true); });
}

void hurry(App& app, const std::string& node) {
  hurry_here(node);
  app.db->notify("hurry", node);
}

Answer wait_for_work(std::shared_ptr<Call> call, store::Claim claim, int64_t wait_ms) {
  auto waiting = std::make_shared<Waiting>();
  waiting->call = call;
  waiting->claim = std::move(claim);
  waiting->deadline = monotonic_ms() + wait_ms;
  App& app = call->app;
  take_the_place(waiting);
  // Most polls of a busy fleet are answered at once; only those that are not pay for a timer and a watch.
  store::Claimed claimed;
  net::Response answer;
  const int64_t news = app.board.news(waiting->claim.node);
  const bool answered = ask(waiting, claimed, answer);
  {
    const std::lock_guard lock(waiting->mutex);
    if (answered || wait_ms == 0 || app.draining || waiting->expired) {
      waiting->done = true;
      return waiting->hurried ? hurried_response(answer) : answer;
    }
    waiting->trying = false;
    // Parked: what was read of the request is not needed any more.
    call->request.body = std::string();
    call->request.headers = net::Pairs();
    waiting->timer = app.parking.at(
        waiting->deadline, [waiting] { waiting->call->app.wakes.post([waiting] { expire(waiting); }); });
    waiting->board_ticket = app.board.wait(waiting->claim.node, claimed.caps, waiting->claim.free, news,
                                           [waiting] { wake(waiting); });
  }
  call->exchange->on_gone([waiting] { waiting->call->app.wakes.post([waiting] { leave(waiting); }); });
  return std::nullopt;
}

}  // namespace ffrtmp::master
