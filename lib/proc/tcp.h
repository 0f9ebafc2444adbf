#pragma once

#include <sys/types.h>

#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "sys/result.h"
#include "sys/units.h"

namespace ffrtmp {

/// One TCP connection as the kernel keeps account of it: what left, what the peer has acknowledged, and for
/// how long nothing moved. Source: sock_diag(7) and struct tcp_info (linux/tcp.h). Reading it touches neither
/// the process nor its traffic.
struct TcpConnection {
  uint64_t inode = 0;         ///< as "socket:[N]" in /proc/PID/fd
  std::string local, remote;  ///< "192.0.2.1:1935", "[2001:db8::1]:443"
  bool established = false;
  uint64_t acked_bytes = 0;  ///< sent and acknowledged by the peer
  uint64_t received_bytes = 0;
  uint32_t send_queue_bytes = 0;     ///< written by the process, not acknowledged yet
  uint32_t receive_queue_bytes = 0;  ///< arrived, not read by the process yet
  uint32_t retransmits = 0;          ///< segments sent again, since it was opened
  Duration round_trip{};             ///< smoothed
  Duration since_sent{};             ///< since data last left for the peer
  Duration since_acked{};            ///< since the peer last acknowledged anything
  Duration since_received{};         ///< since data last came
  bool probing = false;              ///< the kernel repeats itself: segments, or probes of a closed window

  /// For how long data has been waiting here that the peer does not take; nullopt while it flows, or there is
  /// none to send.
  std::optional<Duration> stalled() const;
};

/// Parses one message of type SOCK_DIAG_BY_FAMILY (its payload); nullopt for what is not such a one. Never
/// throws.
std::optional<TcpConnection> parse_tcp_diag(std::span<const char> payload);

/// The inodes of the sockets that a process holds; empty when it is gone or not ours to look into.
std::vector<uint64_t> socket_inodes(pid_t pid);

/// The TCP connections (no listeners) that these processes hold, each once, in the order in which they were
/// opened. Those of a process in another network namespace are seen where we may enter it (CAP_SYS_ADMIN).
/// Not safe beside other threads of ours: the calling thread enters that namespace for a moment. Errors: the
/// kernel has no sock_diag.
Result<std::vector<TcpConnection>> tcp_connections_of(const std::vector<pid_t>& processes);

}  // namespace ffrtmp
