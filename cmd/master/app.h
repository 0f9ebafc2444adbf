#pragma once

#include <atomic>
#include <map>
#include <memory>
#include <mutex>
#include <shared_mutex>
#include <string>

#include "metrics.h"
#include "net/http.h"
#include "net/pool.h"
#include "net/rate_limit.h"
#include "net/server.h"
#include "options.h"
#include "parking.h"
#include "store/events.h"
#include "store/nodes.h"

namespace ffrtmp::master {

/// Who is behind a request.
struct Principal {
  std::string kind;  ///< "key", "node"
  std::string id;    ///< key id or node id
  std::string role;  ///< admin, submit, worker; a node's is "node"
  std::string tenant;

  store::Caller caller() const { return {id, tenant, role == "admin"}; }
};

/// Wakes those who follow events.
class EventBell {
 public:
  void ring();
  uint64_t count() const { return count_; }
  void on_ring(std::function<void()> action);

 private:
  std::atomic<uint64_t> count_ = 0;
  std::mutex mutex_;
  std::vector<std::function<void()>> actions_;
};

/// The master: what all handlers share. Everything in it is thread-safe; `options` is read under
/// `options_mutex`.
struct App {
  Options options;
  mutable std::shared_mutex options_mutex;
  std::unique_ptr<store::Database> db;
  queue::Board board;
  Parking parking;
  net::RateLimit limits;
  Metrics metrics;
  EventBell bell;
  net::Pool wakes{4};
  std::atomic<net::Server*> server = nullptr;  ///< there once it listens
  std::atomic<bool> draining = false;
  std::atomic<int64_t> nodes_online = 0;
  std::atomic<int64_t> connections_per_key = 0;  ///< 0: no limit
  std::atomic<uint64_t> auth_epoch = 1;  ///< grows when a key or a node is revoked: cached answers end

  store::Periods periods() const {
    const std::shared_lock lock(options_mutex);
    return options.periods;
  }
  int64_t heartbeat_ms() const { return store::heartbeat_period(periods(), nodes_online); }
  int64_t lease_ms() const { return store::lease_for(periods(), heartbeat_ms()); }

  /// A write whose body may have changed jobs: rings the bell for those who follow.
  Status write(const store::Body& body);
  Status read(const store::Body& body) { return db->read(body); }
  /// A key or a node's token changed: nobody may be taken for what they were, here and on the other masters.
  void forget_auth() {
    auth_epoch++;
    db->notify("auth", "changed");
  }
};

}  // namespace ffrtmp::master
