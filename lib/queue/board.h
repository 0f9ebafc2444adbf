#pragma once

#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <set>
#include <string>
#include <unordered_map>
#include <vector>

#include "queue/needs.h"
#include "queue/order.h"

namespace ffrtmp::queue {

/// How much of the fleet a tenant may have. From the configuration.
struct TenantPolicy {
  int64_t weight = 1;
  int64_t max_running = 0;  ///< 0: no limit
};

/// What a master remembers about classes and tenants, so that a claim looks only where jobs may be ready. All
/// of it is a hint: the database decides. Thread-safe.
class Board {
 public:
  void set_tenants(std::map<std::string, TenantPolicy> tenants);
  TenantPolicy tenant(const std::string& name) const;

  void add_class(int64_t id, const std::string& tenant, const std::string& queue, const std::string& priority,
                 const Needs& needs);
  bool knows(int64_t id) const;
  int64_t newest_class() const;
  std::vector<int64_t> classes() const;

  /// Called, outside of every lock, for each class in which this process made something ready: other masters
  /// want to know.
  void on_ready(std::function<void(int64_t class_id)> action);
  /// A job of the class is or will be ready at `ready_at`. Wakes waiting nodes that match when that is now.
  void ready(int64_t class_id, int64_t ready_at, int64_t now, int64_t count = 1, bool tell = true);

  /// One class to look into for a node, best first.
  struct Candidate {
    int64_t id = 0;
    Needs needs;
    std::string tenant;
    int64_t generation = 0;  ///< hand it back to `empty`
    bool alone = false;      ///< nobody else competes: take as many as fit
  };
  std::vector<Candidate> candidates(const std::string& node_id, const NodeCaps& caps, const Free& free,
                                    int64_t now) const;

  /// What a look into the class found.
  void granted(int64_t class_id, int64_t jobs, int64_t head_ready_at, int64_t now);
  /// Nothing ready; the next one at `next_ready_at` (0: none). Ignored when something became ready since
  /// `generation`.
  void empty(int64_t class_id, int64_t generation, int64_t next_ready_at);

  void set_running(std::map<std::string, int64_t> by_tenant);
  void running(const std::string& tenant, int64_t change);
  /// Jobs of the tenant have left the node, which has room again, as has a tenant with a limit: wakes the
  /// node when it waits beside something ready, and others for the tenant's sake.
  void freed(const std::string& tenant, const std::string& node_id, int64_t jobs);
  int64_t running(const std::string& tenant) const;

  /// Grows whenever something becomes ready, or room on this node: take it before looking, and hand it to
  /// `wait`.
  int64_t news(const std::string& node_id) const;
  /// A node that waits for work. `wake` is called at most once, from any thread, and must not call back. When
  /// there is news since `news`, it is called at once and 0 is returned.
  uint64_t wait(const std::string& node_id, std::shared_ptr<const NodeCaps> caps, const Free& free,
                int64_t news, std::function<void()> wake);
  void leave(uint64_t ticket);
  /// Wakes whoever matches a class whose time has come. Gives the next such moment, 0 when there is none.
  int64_t tick(int64_t now);
  void wake_all();
  size_t waiting() const;

 private:
  struct Class {
    ClassView view;
    Needs needs;
    bool maybe_ready = false;
    int64_t next_ready_at = 0;
    int64_t generation = 0;
  };
  struct Waiter {
    std::string node_id;
    std::shared_ptr<const NodeCaps> caps;  ///< most nodes of a fleet are alike
    Free free;
    std::function<void()> wake;
  };
  struct Place {
    int64_t freed = 0;    ///< jobs that have left the node
    uint64_t ticket = 0;  ///< its newest, 0: it does not wait
  };
  // Under the lock.
  int64_t news_for(const std::string& node_id) const;
  void count_running(const std::string& tenant, int64_t change);
  bool suits(const Class& one, const Waiter& waiter) const;
  std::map<uint64_t, Waiter>::iterator drop(std::map<uint64_t, Waiter>::iterator waiter);
  void wake_for(const Class& one, int64_t count);
  Share share(const std::string& tenant) const;

  mutable std::mutex mutex_;
  std::map<std::string, TenantPolicy> tenants_;
  std::unordered_map<int64_t, Class> classes_;
  std::set<int64_t> live_;                        // classes that may have something ready
  std::set<std::pair<int64_t, int64_t>> future_;  // (next_ready_at, class)
  std::map<std::string, int64_t> running_;
  std::map<uint64_t, Waiter> waiters_;
  std::unordered_map<std::string, Place> places_;  // by node
  uint64_t next_ticket_ = 1;
  std::function<void(int64_t)> on_ready_;
  int64_t newest_ = 0;
  int64_t news_ = 0;
};

}  // namespace ffrtmp::queue
