#include "event_feed.h"

namespace ffrtmp::master {

namespace {
EventFeed* g_feed = nullptr;
constexpr int64_t kBatch = 500;
}  // namespace

EventFeed::EventFeed(App& app) : app_(app), thread_([this] { loop(); }) {
  g_feed = this;
  app_.bell.on_ring([this] {
    const std::lock_guard lock(mutex_);
    if (rung_ || followers_.empty()) return;
    rung_ = true;
    wake_.notify_one();
  });
}

EventFeed::~EventFeed() {
  close();
  {
    const std::lock_guard lock(mutex_);
    stopping_ = true;
  }
  wake_.notify_all();
  thread_.join();
}

EventFeed& EventFeed::of(App&) { return *g_feed; }

void EventFeed::follow(Follower follower) {
  const std::lock_guard lock(mutex_);
  if (stopping_ || !follower.stream->push(": ffrtmp events\nretry: 1000\n\n"))
    return follower.stream->close();
  followers_.push_back(std::move(follower));
  rung_ = true;
  wake_.notify_one();
}

void EventFeed::close() {
  const std::lock_guard lock(mutex_);
  for (auto& follower : followers_) follower.stream->close();
  followers_.clear();
}

size_t EventFeed::followers() const {
  const std::lock_guard lock(mutex_);
  return followers_.size();
}

bool EventFeed::serve(Follower& follower, bool beat) {
  bool any = false;
  for (;;) {
    std::vector<store::Event> events;
    const Status done = app_.read([&](store::Tx& tx) -> Status {
      TRY(events, store::events_after(tx, follower.cursor, kBatch));
      return {};
    });
    if (!done) return true;  // the database is away: the cursor stays where it is
    std::string text;
    for (const auto& event : events) {
      follower.cursor = event.cursor;
      if (!follower.every_tenant && event.tenant != follower.tenant) continue;
      if (!follower.kind.empty() && event.kind != follower.kind) continue;
      text += "id: " + store::cursor_text(event.cursor) + "\nevent: " + event.kind +
              "\ndata: " + dump_json(store::event_json(event)) + "\n\n";
    }
    if (!text.empty()) {
      any = true;
      if (!follower.stream->push(text)) return false;
    }
    if (events.size() < static_cast<size_t>(kBatch)) break;
  }
  // A comment now and then shows a client that went away, and keeps proxies from cutting the line.
  return any || !beat || follower.stream->push(": \n\n");
}

void EventFeed::loop() {
  int64_t beat_at = 0;
  std::unique_lock lock(mutex_);
  while (!stopping_) {
    if (followers_.empty()) {
      wake_.wait(lock);
    } else {
      // Several masters: another one's events ring no bell here.
      wake_.wait_for(lock, std::chrono::seconds(app_.db->dialect() == store::Dialect::sqlite ? 15 : 1),
                     [&] { return rung_ || stopping_; });
    }
    rung_ = false;
    const bool beat = monotonic_ms() >= beat_at;
    if (beat) beat_at = monotonic_ms() + 15'000;
    std::list<Follower> mine;
    mine.swap(followers_);
    lock.unlock();
    for (auto it = mine.begin(); it != mine.end();) {
      if (serve(*it, beat)) {
        ++it;
      } else {
        it->stream->close();
        it = mine.erase(it);
      }
    }
    lock.lock();
    followers_.splice(followers_.end(), mine);
  }
}

}  // namespace ffrtmp::master
