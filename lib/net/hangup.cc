#include "net/hangup.h"

#include <poll.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>

#include <array>

namespace ffrtmp::net {

namespace {
constexpr uint64_t kBell = 0;
}

Status HangupWatch::start() {
  epoll_ = Fd(::epoll_create1(EPOLL_CLOEXEC));
  bell_ = Fd(::eventfd(0, EFD_CLOEXEC));
  epoll_event event{EPOLLIN, {.u64 = kBell}};
  if (!epoll_ || !bell_ || ::epoll_ctl(epoll_.get(), EPOLL_CTL_ADD, bell_.get(), &event) != 0)
    return sys_error("watching for clients that leave", "epoll");
  thread_ = std::thread([this] { loop(); });
  return {};
}

void HangupWatch::stop() {
  if (!thread_.joinable()) return;
  const uint64_t one = 1;
  (void)!::write(bell_.get(), &one, sizeof one);
  thread_.join();
}

uint64_t HangupWatch::add(int fd, std::function<void()> action) {
  uint64_t ticket = 0;
  {
    const std::lock_guard lock(mutex_);
    ticket = next_++;
    actions_.emplace(ticket, std::move(action));
  }
  // Once is enough, and the socket of one that has gone stays ready until it is closed. Not EPOLLIN: what it
  // still sends is for whoever reads the connection.
  epoll_event event{EPOLLRDHUP | EPOLLONESHOT, {.u64 = ticket}};
  if (::epoll_ctl(epoll_.get(), EPOLL_CTL_ADD, fd, &event) == 0) return ticket;
  const std::lock_guard lock(mutex_);
  actions_.erase(ticket);
  return 0;
}

void HangupWatch::remove(int fd, uint64_t ticket) {
  ::epoll_ctl(epoll_.get(), EPOLL_CTL_DEL, fd, nullptr);
  const std::lock_guard lock(mutex_);
  actions_.erase(ticket);
}

bool HangupWatch::gone(int fd) {
  pollfd poll{fd, POLLRDHUP, 0};
  return ::poll(&poll, 1, 0) > 0;
}

void HangupWatch::loop() {
  std::array<epoll_event, 64> events{};
  for (;;) {
    const int count = ::epoll_wait(epoll_.get(), events.data(), static_cast<int>(events.size()), -1);
    for (int i = 0; i < count; i++) {
      const uint64_t ticket = events[static_cast<size_t>(i)].data.u64;
      if (ticket == kBell) return;
      std::function<void()> action;
      {
        const std::lock_guard lock(mutex_);
        const auto found = actions_.find(ticket);
        if (found == actions_.end()) continue;  // answered meanwhile
        action = std::move(found->second);
        actions_.erase(found);
      }
      action();
    }
  }
}

}  // namespace ffrtmp::net
