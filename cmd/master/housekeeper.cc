#include "housekeeper.h"

#include <unistd.h>

#include "log.h"
#include "store/sweep.h"

namespace ffrtmp::master {

namespace {
constexpr int64_t kStep = 500;  // rows in one transaction
constexpr int64_t kCleanMs = 60'000;
constexpr int64_t kPaceMs = 1000;   // between two looks while something is in flight
constexpr int64_t kGapMs = 10'000;  // later than this for a look, and we were not there to hear anybody
}  // namespace

Housekeeper::Housekeeper(App& app) : app_(app), thread_([this] { loop(); }) {
  app_.bell.on_ring([this] { nudge(); });
}

Housekeeper::~Housekeeper() {
  {
    const std::lock_guard lock(mutex_);
    stopping_ = true;
  }
  wake_.notify_all();
  thread_.join();
}

void Housekeeper::nudge() {
  const std::lock_guard lock(mutex_);
  if (nudged_) return;
  nudged_ = true;
  if (!busy_) wake_.notify_one();  // else awake within a second anyway
}

void Housekeeper::loop() {
  std::unique_lock lock(mutex_);
  while (!stopping_) {
    // What comes while it looks may be what it has not seen: it counts for the next look.
    nudged_ = false;
    lock.unlock();
    const bool busy = step();
    lock.lock();
    busy_ = busy;
    int64_t sleep = busy_ ? kPaceMs : 60'000;
    // Nodes that have nothing to do are looked at when the first of them may have fallen silent.
    if (!busy_ && first_lease_ != 0)
      sleep = std::clamp<int64_t>(first_lease_ - app_.db->now_estimate(), kPaceMs, sleep);
    // Several masters: other ones' jobs are heard of by notification, and by this look behind it.
    if (app_.db->dialect() == store::Dialect::postgres) sleep = std::min<int64_t>(sleep, 1000);
    if (next_ready_ != 0) sleep = std::clamp<int64_t>(next_ready_ - app_.db->now_estimate(), 10, sleep);
    next_step_ = monotonic_ms() + sleep;
    wake_.wait_for(lock, std::chrono::milliseconds(sleep), [&] { return stopping_ || (nudged_ && !busy_); });
    // Much news at once is one look.
    const int64_t early = std::min(last_step_ + kPaceMs, next_step_) - monotonic_ms();
    if (early > 0) wake_.wait_for(lock, std::chrono::milliseconds(early), [&] { return stopping_; });
  }
}

bool Housekeeper::step() {
  const int64_t now = monotonic_ms();
  const bool leading = app_.db->leading();
  int64_t grace = 0;
  {
    const std::shared_lock lock(app_.options_mutex);
    grace = app_.options.restart_grace_ms;
  }
  // After a start, a change of leader, an outage of the database or a sleep of this host, nobody is declared
  // dead before having had the time to speak.
  const bool gap = last_step_ != 0 && now - next_step_ > kGapMs;
  if (last_step_ == 0 || gap || (leading && !was_leading_))
    judge_from_ = now + (grace != 0 ? grace : app_.lease_ms());
  was_leading_ = leading;

  store::InFlight flight;
  const Status known = app_.read([&](store::Tx& tx) -> Status {
    TRY(flight, store::in_flight(tx));
    return {};
  });
  if (!known) {
    // The database is away: time that passes now is nobody's fault.
    judge_from_ = now + (grace != 0 ? grace : app_.lease_ms()) + kGapMs;
    last_step_ = now;
    return true;
  }
  app_.board.set_running(flight.by_tenant);
  app_.nodes_online = flight.nodes_online;
  first_lease_ = flight.first_lease;
  if (leading) sweep();
  if (app_.db->dialect() == store::Dialect::postgres && now >= refresh_at_) {
    (void)app_.read([&](store::Tx& tx) { return store::refresh_board(tx, app_.board); });
    refresh_at_ = now + 4000 + now % 2000;  // not all masters at once
  }
  next_ready_ = app_.board.tick(app_.db->now_estimate());
  if (leading && now >= clean_at_) clean();
  last_step_ = monotonic_ms();
  return flight.jobs > 0 || flight.deadlines > 0;
}

void Housekeeper::sweep() {
  const bool judge = monotonic_ms() >= judge_from_;
  const store::Periods periods = app_.periods();
  for (int i = 0; i < 40; i++) {
    int64_t changed = 0;
    const Status done = app_.db->write([&](store::Tx& tx) -> Status {
      TRY(changed, store::sweep_timers(tx, app_.board, periods, judge, kStep));
      return {};
    });
    if (!done) {
      log(Level::warning, "sweep failed", {{"error", done.error().message()}});
      judge_from_ = monotonic_ms() + app_.lease_ms() + kGapMs;
      return;
    }
    if (changed > 0) app_.bell.ring();
    if (changed < kStep) return;
  }
}

void Housekeeper::clean() {
  store::Retention retention;
  {
    const std::shared_lock lock(app_.options_mutex);
    retention = app_.options.retention;
  }
  store::Swept swept;
  const Status done = app_.db->write([&](store::Tx& tx) -> Status {
    TRY(swept, store::sweep_old(tx, retention, clean_cursor_, kStep));
    return {};
  });
  if (!done) return;
  for (const auto& place : swept.places) ::unlink((app_.options.blob_dir + "/" + place).c_str());
  clean_cursor_ = swept.cursor;
  // In small steps: a second between them while there is more, a minute when the end was reached.
  clean_at_ = monotonic_ms() + (clean_cursor_ == 0 ? kCleanMs : 1000);
}

}  // namespace ffrtmp::master
