#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <vector>

#include "proc/child.h"
#include "sys/fd.h"
#include "sys/result.h"
#include "sys/units.h"

namespace ffrtmp::agent {

/// The one thread that owns the agent's state: it waits for descriptors, children, moments, and what other
/// threads hand it. Nothing wakes it while nothing happens. All members but post() belong to that thread.
class Loop {
 public:
  using Handler = std::function<void()>;
  using Timer = uint64_t;  ///< 0 is none

  static Result<std::unique_ptr<Loop>> make();
  ~Loop();

  /// Calls `handler` whenever `fd` can be read (or has hung up), until forget(fd).
  Status watch(int fd, Handler handler);
  void forget(int fd);
  /// Calls `handler` once with the wait status when a child of ours has ended.
  Status on_exit(Child child, std::function<void(int)> handler);
  /// Calls `handler` once, `pause` from now (CLOCK_BOOTTIME: a sleep of the host counts).
  Timer after(Duration pause, Handler handler);
  void cancel(Timer timer);
  /// Runs `handler` on the loop's thread, soon. Thread-safe.
  void post(Handler handler);

  /// Until stop().
  void run();
  void stop() { stopping_ = true; }

 private:
  Loop() = default;
  void run_posted();
  void run_due();
  void arm();

  struct Watched {
    Handler handler;
  };
  Fd epoll_, wake_, timer_;
  std::map<int, std::shared_ptr<Watched>> watched_;
  struct Due {
    Timer id;
    Handler handler;
  };
  std::multimap<Duration, Due> due_;
  Timer next_timer_ = 1;
  bool stopping_ = false;
  std::mutex mutex_;
  std::vector<Handler> posted_;
};

/// Seconds since the host was started, its sleeps included.
Duration boot_time();

}  // namespace ffrtmp::agent
