#pragma once

#include <atomic>
#include <condition_variable>
#include <cstdint>
#include <mutex>
#include <string>
#include <thread>
#include <unordered_map>
#include <unordered_set>

namespace ffrtmp::net {

/// One connection of a server, as it is watched.
struct Connection {
  enum class Phase { header, body, handling, idle };
  int fd = -1;
  Phase phase = Phase::header;
  int64_t since = 0;       ///< when that phase began, monotonic milliseconds
  std::string owner = {};  ///< whose it is, once somebody has said so
};

/// The connections of a server, and where each of them is, so that one that dribbles its bytes can be cut:
/// libmicrohttpd's own timeout starts anew with every byte. Thread-safe.
class Connections {
 public:
  /// How long a header, a body, and a pause between two requests may take, in milliseconds.
  Connections(int64_t header_ms, int64_t body_ms, int64_t idle_ms)
      : header_ms_(header_ms), body_ms_(body_ms), idle_ms_(idle_ms) {}
  ~Connections() { stop(); }
  Connections(const Connections&) = delete;
  Connections& operator=(const Connections&) = delete;

  /// From now on, until stop(), those whose time is over are shut down.
  void start();
  void stop();

  /// `fd` must be open until remove(), which ends the life of what add() gave.
  Connection* add(int fd);
  void remove(Connection* connection);
  void enter(Connection* connection, Connection::Phase phase);  ///< null: nothing happens
  /// The connection is `owner`'s; false when that one has `most` of them already (0: no limit).
  bool claim(Connection& connection, const std::string& owner, size_t most);

  size_t count() const { return count_; }
  size_t busy() const;  ///< those that do not rest between two requests

 private:
  // Under the lock.
  int64_t due_of(const Connection& connection) const;
  void look_by(const Connection& connection);
  void disown(Connection& connection);
  void reap();

  const int64_t header_ms_, body_ms_, idle_ms_;
  mutable std::mutex mutex_;
  std::condition_variable wake_;
  int64_t look_at_ = INT64_MAX;  ///< when the reaper looks next
  std::unordered_set<Connection*> all_;
  std::unordered_map<std::string, size_t> owners_;  ///< connections of each
  std::atomic<size_t> count_ = 0;
  bool stopping_ = false;
  std::thread reaper_;
};

}  // namespace ffrtmp::net
