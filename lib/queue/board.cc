#include "queue/board.h"

#include <algorithm>

namespace ffrtmp::queue {

void Board::set_tenants(std::map<std::string, TenantPolicy> tenants) {
  const std::lock_guard lock(mutex_);
  tenants_ = std::move(tenants);
}

TenantPolicy Board::tenant(const std::string& name) const {
  const std::lock_guard lock(mutex_);
  const auto found = tenants_.find(name);
  return found == tenants_.end() ? TenantPolicy{} : found->second;
}

void Board::add_class(int64_t id, const std::string& tenant, const std::string& queue,
                      const std::string& priority, const Needs& needs) {
  const std::lock_guard lock(mutex_);
  if (classes_.contains(id)) return;
  Class one;
  one.view = {id, tenant, queue, priority, 0, 0};
  one.needs = needs;
  classes_.emplace(id, std::move(one));
  newest_ = std::max(newest_, id);
}

bool Board::knows(int64_t id) const {
  const std::lock_guard lock(mutex_);
  return classes_.contains(id);
}

int64_t Board::newest_class() const {
  const std::lock_guard lock(mutex_);
  return newest_;
}

std::vector<int64_t> Board::classes() const {
  const std::lock_guard lock(mutex_);
  std::vector<int64_t> out;
  for (const auto& [id, one] : classes_) out.push_back(id);
  return out;
}

void Board::on_ready(std::function<void(int64_t)> action) { on_ready_ = std::move(action); }

void Board::ready(int64_t class_id, int64_t ready_at, int64_t now, int64_t count, bool tell) {
  if (tell && on_ready_) on_ready_(class_id);
  const std::lock_guard lock(mutex_);
  const auto found = classes_.find(class_id);
  if (found == classes_.end()) return;
  Class& one = found->second;
  one.generation++;
  if (ready_at > now) {
    if (one.next_ready_at == 0 || ready_at < one.next_ready_at) {
      future_.erase({one.next_ready_at, class_id});
      one.next_ready_at = ready_at;
      future_.emplace(ready_at, class_id);
    }
    return;
  }
  if (!one.maybe_ready) {
    one.maybe_ready = true;
    one.view.head_ready_at = ready_at;
    live_.insert(class_id);
  }
  news_++;
  wake_for(one, count);
}

Share Board::share(const std::string& tenant) const {
  Share out;
  if (const auto found = running_.find(tenant); found != running_.end()) out.running = found->second;
  if (const auto found = tenants_.find(tenant); found != tenants_.end()) out.weight = found->second.weight;
  return out;
}

std::vector<Board::Candidate> Board::candidates(const std::string& node_id, const NodeCaps& caps,
                                                const Free& free, int64_t now) const {
  const std::lock_guard lock(mutex_);
  std::vector<const Class*> matching;
  for (const int64_t id : live_) {
    const Class& one = classes_.at(id);
    if (fits(one.needs, free) && unmet(one.needs, caps, node_id).empty()) matching.push_back(&one);
  }
  std::map<std::string, Share> shares;
  for (const Class* one : matching) shares.emplace(one->view.tenant, share(one->view.tenant));
  std::ranges::sort(matching, [&](const Class* a, const Class* b) {
    return before(a->view, shares[a->view.tenant], b->view, shares[b->view.tenant], now);
  });
  std::vector<Candidate> out;
  for (size_t i = 0; i < matching.size(); i++) {
    const Class& one = *matching[i];
    // Alone on its level: everything that fits may be taken before the next level is asked.
    const bool peer_above = i > 0 && level(matching[i - 1]->view, now) == level(one.view, now);
    const bool peer_below =
        i + 1 < matching.size() && level(matching[i + 1]->view, now) == level(one.view, now);
    out.push_back({one.view.id, one.needs, one.view.tenant, one.generation, !peer_above && !peer_below});
  }
  return out;
}

void Board::granted(int64_t class_id, int64_t jobs, int64_t head_ready_at, int64_t now) {
  const std::lock_guard lock(mutex_);
  const auto found = classes_.find(class_id);
  if (found == classes_.end() || jobs == 0) return;
  Class& one = found->second;
  one.view.last_grant = now;
  one.view.head_ready_at = head_ready_at;
  running_[one.view.tenant] += jobs;
}

void Board::empty(int64_t class_id, int64_t generation, int64_t next_ready_at) {
  const std::lock_guard lock(mutex_);
  const auto found = classes_.find(class_id);
  if (found == classes_.end() || found->second.generation != generation) return;
  Class& one = found->second;
  one.maybe_ready = false;
  live_.erase(class_id);
  future_.erase({one.next_ready_at, class_id});
  one.next_ready_at = next_ready_at;
  if (next_ready_at != 0) future_.emplace(next_ready_at, class_id);
}

void Board::set_running(std::map<std::string, int64_t> by_tenant) {
  const std::lock_guard lock(mutex_);
  running_ = std::move(by_tenant);
}

void Board::count_running(const std::string& tenant, int64_t change) {
  int64_t& count = running_[tenant];
  count = std::max<int64_t>(0, count + change);
}

void Board::running(const std::string& tenant, int64_t change) {
  const std::lock_guard lock(mutex_);
  count_running(tenant, change);
}

void Board::freed(const std::string& tenant, const std::string& node_id, int64_t jobs) {
  const std::lock_guard lock(mutex_);
  count_running(tenant, -jobs);
  if (!node_id.empty()) {
    Place& place = places_[node_id];
    place.freed += jobs;
    // It asked for more while the master still counted what it has just told to have ended.
    const auto waiter = waiters_.find(place.ticket);
    if (waiter != waiters_.end() &&
        std::ranges::any_of(live_, [&](int64_t id) { return suits(classes_.at(id), waiter->second); })) {
      waiter->second.wake();
      drop(waiter);
    }
  }
  const auto policy = tenants_.find(tenant);
  if (policy == tenants_.end() || policy->second.max_running == 0) return;
  for (const int64_t id : live_)
    if (classes_.at(id).view.tenant == tenant) wake_for(classes_.at(id), jobs);
}

int64_t Board::running(const std::string& tenant) const {
  const std::lock_guard lock(mutex_);
  const auto found = running_.find(tenant);
  return found == running_.end() ? 0 : found->second;
}

int64_t Board::news_for(const std::string& node_id) const {
  const auto place = places_.find(node_id);
  return news_ + (place == places_.end() ? 0 : place->second.freed);
}

int64_t Board::news(const std::string& node_id) const {
  const std::lock_guard lock(mutex_);
  return news_for(node_id);
}

uint64_t Board::wait(const std::string& node_id, std::shared_ptr<const NodeCaps> caps, const Free& free,
                     int64_t news, std::function<void()> wake) {
  const std::lock_guard lock(mutex_);
  if (news_for(node_id) != news) {
    wake();
    return 0;
  }
  const uint64_t ticket = next_ticket_++;
  waiters_.emplace(ticket, Waiter{node_id, std::move(caps), free, std::move(wake)});
  places_[node_id].ticket = ticket;
  return ticket;
}

void Board::leave(uint64_t ticket) {
  const std::lock_guard lock(mutex_);
  if (const auto waiter = waiters_.find(ticket); waiter != waiters_.end()) drop(waiter);
}

std::map<uint64_t, Board::Waiter>::iterator Board::drop(std::map<uint64_t, Waiter>::iterator waiter) {
  if (Place& place = places_[waiter->second.node_id]; place.ticket == waiter->first) place.ticket = 0;
  return waiters_.erase(waiter);
}

bool Board::suits(const Class& one, const Waiter& waiter) const {
  return fits(one.needs, waiter.free) && unmet(one.needs, *waiter.caps, waiter.node_id).empty();
}

void Board::wake_for(const Class& one, int64_t count) {
  // As many nodes as there are jobs, and no more: a job must not wake five thousand.
  for (auto it = waiters_.begin(); it != waiters_.end() && count > 0;) {
    if (suits(one, it->second)) {
      count -= std::max<int64_t>(1, std::min(it->second.free.slots, count));
      it->second.wake();
      it = drop(it);
    } else {
      ++it;
    }
  }
}

int64_t Board::tick(int64_t now) {
  const std::lock_guard lock(mutex_);
  while (!future_.empty() && future_.begin()->first <= now) {
    const int64_t id = future_.begin()->second;
    future_.erase(future_.begin());
    Class& one = classes_.at(id);
    one.generation++;
    if (!one.maybe_ready) one.view.head_ready_at = one.next_ready_at;
    one.next_ready_at = 0;
    one.maybe_ready = true;
    live_.insert(id);
    news_++;
  }
  // Whoever waits beside a ready class lost a race with another claim: ask again.
  if (!waiters_.empty())
    for (const int64_t id : live_) wake_for(classes_.at(id), 16);
  return future_.empty() ? 0 : future_.begin()->first;
}

void Board::wake_all() {
  const std::lock_guard lock(mutex_);
  for (auto& [ticket, waiter] : waiters_) waiter.wake();
  waiters_.clear();
  for (auto& [node, place] : places_) place.ticket = 0;
}

size_t Board::waiting() const {
  const std::lock_guard lock(mutex_);
  return waiters_.size();
}

}  // namespace ffrtmp::queue
