#pragma once

#include <optional>
#include <string>

#include "sys/units.h"

namespace ffrtmp {

/// What systemd wants to hear from a service of Type=notify (sd_notify(3)): a datagram to a socket. Ten lines
/// here rather than libsystemd, because ffrtmp is static and loads nothing. Takes NOTIFY_SOCKET and
/// WATCHDOG_USEC out of the environment, which is not theirs whom we start.
class ServiceManager {
 public:
  ServiceManager();
  /// "READY=1", "STATUS=…": lines. Nothing happens where nobody listens.
  void tell(const std::string& text) const;
  /// How often it wants to hear "WATCHDOG=1", or none.
  std::optional<Duration> watchdog() const { return watchdog_; }
  bool listens() const { return !socket_.empty(); }

 private:
  std::string socket_;
  std::optional<Duration> watchdog_;
};

}  // namespace ffrtmp
