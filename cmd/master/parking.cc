#include "parking.h"

#include "sys/clock.h"

namespace ffrtmp::master {

int64_t monotonic_ms() { return monotonic_now().count() / 1'000'000; }

Parking::Parking() : thread_([this] { loop(); }) {}

Parking::~Parking() {
  {
    const std::lock_guard lock(mutex_);
    stopping_ = true;
  }
  wake_.notify_all();
  thread_.join();
}

uint64_t Parking::at(int64_t monotonic, std::function<void()> action) {
  const std::lock_guard lock(mutex_);
  const uint64_t ticket = next_++;
  const bool first = due_.empty() || monotonic < due_.begin()->first.first;
  due_.emplace(std::pair{monotonic, ticket}, std::move(action));
  when_.emplace(ticket, monotonic);
  if (first) wake_.notify_one();
  return ticket;
}

void Parking::cancel(uint64_t ticket) {
  const std::lock_guard lock(mutex_);
  const auto found = when_.find(ticket);
  if (found == when_.end()) return;
  due_.erase({found->second, ticket});
  when_.erase(found);
}

void Parking::flush() {
  std::map<std::pair<int64_t, uint64_t>, std::function<void()>> all;
  {
    const std::lock_guard lock(mutex_);
    all.swap(due_);
    when_.clear();
  }
  for (auto& [key, action] : all) action();
}

size_t Parking::size() const {
  const std::lock_guard lock(mutex_);
  return due_.size();
}

void Parking::loop() {
  std::unique_lock lock(mutex_);
  while (!stopping_) {
    if (due_.empty()) {
      wake_.wait(lock);
      continue;
    }
    const auto first = due_.begin();
    const int64_t wait = first->first.first - monotonic_ms();
    if (wait > 0) {
      wake_.wait_for(lock, std::chrono::milliseconds(wait));
      continue;
    }
    auto action = std::move(first->second);
    when_.erase(first->first.second);
    due_.erase(first);
    lock.unlock();
    action();
    lock.lock();
  }
}

}  // namespace ffrtmp::master
