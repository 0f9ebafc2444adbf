#pragma once

#include <functional>
#include <map>
#include <optional>
#include <utility>
#include <vector>

#include "jobs/adoption.h"
#include "jobs/result.h"

namespace ffrtmp {

/// What came of waiting for an adopted job. No result when it was let go of (a signal to us).
struct Settled {
  Ending ending;
  Verdict verdict;
  Json result;
};
using OnSettled = std::function<void(const AdoptedJob&, const Settled&)>;

/// Adopted jobs that are waited for, behind one descriptor that a poll loop takes: their pidfds, and their
/// folders (ffrtmp detach ends a job there). Each that ends has its result written, with the exit status
/// where the kernel tells it (6.15), and what outlives it is cleared away. No wake-up while nothing happens;
/// nothing here blocks for long. Not thread-safe.
class Vigil {
 public:
  /// `host` is used for as long as this lives. Errors: no descriptors left.
  static Result<Vigil> make(const Host& host, OnSettled settled);
  /// Errors: no descriptors left; the job stays as it is then, with nobody waiting for it.
  Status add(AdoptedJob job);
  /// Readable when something has happened: call serve() then.
  int fd() const { return epoll_.get(); }
  void serve();
  /// Lets all of them go, for a signal to us: their limits stay, and ffrtmp detach undoes them.
  void let_go(int signal);
  size_t size() const { return jobs_.size(); }
  /// Processes whose jobs ffrtmp detach has ended since this was asked last.
  std::vector<ProcessIdentity> take_released() { return std::exchange(released_, {}); }
  bool has(pid_t pid, uint64_t start_ticks) const;
  /// The exit code of the first job that did not end with 0, or 0.
  int code() const { return code_; }

 private:
  struct Waiting {
    AdoptedJob job;
    int watch = -1;                ///< inotify's, on its folder
    std::optional<Ending> ending;  ///< it has died, and this was seen then
    Duration died{};
  };
  Vigil(const Host& host, OnSettled settled, Fd epoll, Fd folders, Fd timer)
      : host_(&host),
        settled_(std::move(settled)),
        epoll_(std::move(epoll)),
        folders_(std::move(folders)),
        timer_(std::move(timer)) {}
  void read_folders();
  void drop_if_released(uint64_t key);
  void drop(uint64_t key);
  void see_death(Waiting& waiting);
  bool ready(const Waiting& waiting) const;
  void settle(uint64_t key);
  void arm();

  const Host* host_;
  OnSettled settled_;
  Fd epoll_, folders_, timer_;
  uint64_t next_ = 2;  ///< the keys of the jobs in epoll; 0 is the folders', 1 the timer's
  std::map<uint64_t, Waiting> jobs_;
  std::map<int, uint64_t> by_watch_;
  std::vector<ProcessIdentity> released_;
  bool armed_ = false;
  int code_ = 0;
};

/// Waits for adopted jobs until none is left, or until a signal to us lets them go. Call block_signals()
/// (observe.h) before the jobs are adopted. Returns the exit code for the command: of the first job that did
/// not end with 0, 128 + n for a signal to us. Errors: no descriptors left.
Result<int> keep_vigil(const Host& host, std::vector<AdoptedJob> jobs, const OnSettled& settled);

}  // namespace ffrtmp
