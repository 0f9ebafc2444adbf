#pragma once

#include <condition_variable>
#include <list>
#include <memory>
#include <mutex>
#include <string>
#include <thread>

#include "app.h"

namespace ffrtmp::master {

/// One client that follows events.
struct Follower {
  std::shared_ptr<net::Stream> stream;
  store::Cursor cursor;
  std::string tenant, kind;
  bool every_tenant = false;
};

/// Sends events to all followers, from one thread: it reads when the bell rings (and now and then, where
/// other masters write), and sleeps while nobody follows.
class EventFeed {
 public:
  explicit EventFeed(App& app);
  ~EventFeed();
  EventFeed(const EventFeed&) = delete;
  EventFeed& operator=(const EventFeed&) = delete;
  static EventFeed& of(App& app);
  void follow(Follower follower);
  /// Ends all streams (a drain).
  void close();
  size_t followers() const;

 private:
  void loop();
  /// False: drop it.
  bool serve(Follower& follower, bool beat);
  App& app_;
  mutable std::mutex mutex_;
  std::condition_variable wake_;
  std::list<Follower> followers_;
  bool stopping_ = false, rung_ = false;
  std::thread thread_;
};

}  // namespace ffrtmp::master
