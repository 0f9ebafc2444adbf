#include "sys/notify.h"

#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <cstring>

#include "sys/environment.h"
#include "sys/fd.h"
#include "sys/text.h"

namespace ffrtmp {

ServiceManager::ServiceManager() : socket_(take_variable("NOTIFY_SOCKET")) {
  const auto usec = parse_u64(take_variable("WATCHDOG_USEC"));
  const std::string pid = take_variable("WATCHDOG_PID");
  // Half of it, as sd_watchdog_enabled(3) recommends.
  constexpr uint64_t kLongest = 365ull * 24 * 3600 * 1'000'000;
  if (usec && *usec > 1 && *usec < kLongest && (pid.empty() || pid == std::to_string(::getpid())))
    watchdog_ = std::chrono::microseconds(*usec / 2);
}

void ServiceManager::tell(const std::string& text) const {
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  if (socket_.empty() || socket_.size() >= sizeof address.sun_path) return;
  std::memcpy(address.sun_path, socket_.data(), socket_.size());
  if (socket_[0] == '@') address.sun_path[0] = '\0';  // abstract
  const Fd fd(::socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0));
  const auto length = static_cast<socklen_t>(offsetof(sockaddr_un, sun_path) + socket_.size());
  (void)!::sendto(fd.get(), text.data(), text.size(), MSG_NOSIGNAL,
                  reinterpret_cast<const sockaddr*>(&address), length);
}

}  // namespace ffrtmp
