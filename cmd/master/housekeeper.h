#pragma once

#include <condition_variable>
#include <mutex>
#include <thread>

#include "app.h"

namespace ffrtmp::master {

/// Watches timers, wakes jobs whose time has come, removes what is old. Sleeps long while nothing is in
/// flight. One thread; with several masters only the one that leads touches jobs of others.
class Housekeeper {
 public:
  explicit Housekeeper(App& app);
  ~Housekeeper();
  Housekeeper(const Housekeeper&) = delete;
  Housekeeper& operator=(const Housekeeper&) = delete;
  /// Jobs or nodes came: look again soon.
  void nudge();

 private:
  void loop();
  /// Looks once; gives whether something is in flight.
  bool step();
  void sweep();
  void clean();
  App& app_;
  std::mutex mutex_;
  std::condition_variable wake_;
  bool stopping_ = false, nudged_ = false;
  bool busy_ = true;  ///< something is in flight: look every second; under the mutex
  bool was_leading_ = false;
  int64_t judge_from_ = 0;  ///< no node is given up before this moment (monotonic ms)
  int64_t last_step_ = 0, next_step_ = 0, clean_at_ = 0, clean_cursor_ = 0, refresh_at_ = 0;
  int64_t next_ready_ = 0, first_lease_ = 0;
  std::thread thread_;
};

}  // namespace ffrtmp::master
