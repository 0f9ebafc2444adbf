#include "agent/loop.h"

#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/timerfd.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

namespace ffrtmp::agent {

Duration boot_time() {
  timespec now{};
  ::clock_gettime(CLOCK_BOOTTIME, &now);
  return std::chrono::seconds(now.tv_sec) + std::chrono::nanoseconds(now.tv_nsec);
}

Result<std::unique_ptr<Loop>> Loop::make() {
  std::unique_ptr<Loop> out(new Loop);
  out->epoll_ = Fd(::epoll_create1(EPOLL_CLOEXEC));
  out->wake_ = Fd(::eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK));
  out->timer_ = Fd(::timerfd_create(CLOCK_BOOTTIME, TFD_CLOEXEC | TFD_NONBLOCK));
  if (!out->epoll_ || !out->wake_ || !out->timer_) return sys_error("making the event loop", "");
  TRY_OK(out->watch(out->wake_.get(), [loop = out.get()] { loop->run_posted(); }));
  TRY_OK(out->watch(out->timer_.get(), [loop = out.get()] { loop->run_due(); }));
  return out;
}

Loop::~Loop() = default;

Status Loop::watch(int fd, Handler handler) {
  epoll_event event{};
  event.events = EPOLLIN;
  event.data.fd = fd;
  if (::epoll_ctl(epoll_.get(), EPOLL_CTL_ADD, fd, &event) != 0)
    return sys_error("waiting for a descriptor", "");
  watched_[fd] = std::make_shared<Watched>(Watched{std::move(handler)});
  return {};
}

void Loop::forget(int fd) {
  ::epoll_ctl(epoll_.get(), EPOLL_CTL_DEL, fd, nullptr);
  watched_.erase(fd);
}

Status Loop::on_exit(Child child, std::function<void(int)> handler) {
  const int fd = child.pidfd.get();
  auto held = std::make_shared<Child>(std::move(child));
  return watch(fd, [this, fd, held, handler = std::move(handler)] {
    int status = 0;
    if (::waitpid(held->pid, &status, WNOHANG) == 0) return;
    const auto call = handler;
    const auto keep = held;  // forget() destroys this very function
    forget(fd);
    call(status);
  });
}

Loop::Timer Loop::after(Duration pause, Handler handler) {
  const Timer id = next_timer_++;
  due_.emplace(boot_time() + pause, Due{id, std::move(handler)});
  arm();
  return id;
}

void Loop::cancel(Timer timer) {
  if (timer != 0) std::erase_if(due_, [&](const auto& entry) { return entry.second.id == timer; });
  arm();
}

void Loop::post(Handler handler) {
  {
    const std::lock_guard lock(mutex_);
    posted_.push_back(std::move(handler));
  }
  const uint64_t one = 1;
  (void)!::write(wake_.get(), &one, sizeof one);
}

void Loop::run_posted() {
  uint64_t count = 0;
  (void)!::read(wake_.get(), &count, sizeof count);
  std::vector<Handler> now;
  {
    const std::lock_guard lock(mutex_);
    now.swap(posted_);
  }
  for (auto& handler : now) handler();
}

void Loop::run_due() {
  uint64_t count = 0;
  (void)!::read(timer_.get(), &count, sizeof count);
  const Duration now = boot_time();
  while (!due_.empty() && due_.begin()->first <= now) {
    const Handler handler = std::move(due_.begin()->second.handler);
    due_.erase(due_.begin());
    handler();
  }
  arm();
}

/// The timer is set to the next thing that is due, and not at all when there is none.
void Loop::arm() {
  itimerspec when{};
  if (!due_.empty()) {
    const Duration at = std::max(due_.begin()->first, Duration(1));  // zero would disarm it
    when.it_value.tv_sec = std::chrono::duration_cast<std::chrono::seconds>(at).count();
    when.it_value.tv_nsec = (at % std::chrono::seconds(1)).count();
  }
  ::timerfd_settime(timer_.get(), TFD_TIMER_ABSTIME, &when, nullptr);
}

void Loop::run() {
  epoll_event events[16];
  while (!stopping_) {
    const int count = ::epoll_wait(epoll_.get(), events, 16, -1);
    for (int i = 0; i < count && !stopping_; i++) {
      const auto found = watched_.find(events[i].data.fd);
      if (found == watched_.end()) continue;  // forgotten by an earlier one of this round
      const auto held = found->second;
      held->handler();
    }
  }
}

}  // namespace ffrtmp::agent
