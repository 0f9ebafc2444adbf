#include "net/connections.h"

#include <sys/socket.h>

#include <algorithm>
#include <chrono>

#include "sys/clock.h"

namespace ffrtmp::net {

namespace {

constexpr int64_t kNever = INT64_MAX;

int64_t now_ms() { return monotonic_now().count() / 1'000'000; }

}  // namespace

void Connections::start() {
  reaper_ = std::thread([this] { reap(); });
}

void Connections::stop() {
  {
    const std::lock_guard lock(mutex_);
    stopping_ = true;
  }
  wake_.notify_all();
  if (reaper_.joinable()) reaper_.join();
}

Connection* Connections::add(int fd) {
  const std::lock_guard lock(mutex_);
  auto* connection = new Connection{fd, Connection::Phase::header, now_ms()};
  all_.insert(connection);
  count_ = all_.size();
  look_by(*connection);
  return connection;
}

void Connections::remove(Connection* connection) {
  const std::lock_guard lock(mutex_);
  all_.erase(connection);
  count_ = all_.size();
  disown(*connection);
  delete connection;
}

void Connections::enter(Connection* connection, Connection::Phase phase) {
  if (connection == nullptr) return;
  const std::lock_guard lock(mutex_);
  connection->phase = phase;
  connection->since = now_ms();
  look_by(*connection);
}

bool Connections::claim(Connection& connection, const std::string& owner, size_t most) {
  const std::lock_guard lock(mutex_);
  if (connection.owner == owner) return true;
  size_t& held = owners_[owner];
  if (most != 0 && held >= most) return false;
  held++;
  disown(connection);
  connection.owner = owner;
  return true;
}

size_t Connections::busy() const {
  const std::lock_guard lock(mutex_);
  return static_cast<size_t>(std::ranges::count_if(
      all_, [](const Connection* one) { return one->phase != Connection::Phase::idle; }));
}

/// When it has had its time; an answer has as much as it takes.
int64_t Connections::due_of(const Connection& connection) const {
  switch (connection.phase) {
    case Connection::Phase::header: return connection.since + header_ms_;
    case Connection::Phase::body: return connection.since + body_ms_;
    case Connection::Phase::idle: return connection.since + idle_ms_ + header_ms_;
    case Connection::Phase::handling: break;
  }
  return kNever;
}

void Connections::look_by(const Connection& connection) {
  if (due_of(connection) < look_at_) wake_.notify_one();
}

void Connections::disown(Connection& connection) {
  const auto found = owners_.find(connection.owner);
  if (found != owners_.end() && --found->second == 0) owners_.erase(found);
  connection.owner.clear();
}

void Connections::reap() {
  std::unique_lock lock(mutex_);
  const int64_t pace = std::clamp<int64_t>(header_ms_ / 4, 100, 2000);
  while (!stopping_) {
    const int64_t now = now_ms();
    look_at_ = kNever;
    for (const Connection* connection : all_) {
      const int64_t due = due_of(*connection);
      look_at_ = std::min(look_at_, due);
      // The descriptor is open as long as the entry is there: remove() comes before it is closed.
      if (due < now) ::shutdown(connection->fd, SHUT_RDWR);
    }
    // Not for each of many that come due one after the other, and not at all while nothing can.
    if (look_at_ == kNever) {
      wake_.wait(lock);
    } else {
      look_at_ = std::max(look_at_, now + pace);
      wake_.wait_for(lock, std::chrono::milliseconds(look_at_ - now));
    }
  }
}

}  // namespace ffrtmp::net
