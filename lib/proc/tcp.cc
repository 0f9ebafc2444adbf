#include "proc/tcp.h"

#include <arpa/inet.h>
#include <fcntl.h>
#include <linux/inet_diag.h>
#include <linux/netlink.h>
#include <linux/rtnetlink.h>
#include <linux/sock_diag.h>
#include <linux/tcp.h>
#include <netinet/in.h>
#include <sched.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cstring>
#include <map>
#include <set>

#include "proc/processes.h"
#include "sys/fd.h"
#include "sys/file.h"
#include "sys/text.h"

namespace ffrtmp {

namespace {

using std::chrono::microseconds, std::chrono::milliseconds, std::chrono::seconds;

// The kernel's TCP states (include/net/tcp_states.h); <netinet/tcp.h>, which names them, cannot stand beside
// <linux/tcp.h>.
constexpr int kEstablished = 1, kListen = 10;

std::string endpoint(int family, const __be32* address, __be16 port) {
  char text[INET6_ADDRSTRLEN] = "";
  ::inet_ntop(family, address, text, sizeof text);
  const std::string number = std::to_string(ntohs(port));
  return family == AF_INET6 ? "[" + std::string(text) + "]:" + number : std::string(text) + ":" + number;
}

/// The connections of one address family in the network namespace that the calling thread is in.
Status dump(int family, const std::set<uint64_t>& wanted, std::vector<TcpConnection>& out) {
  const Fd netlink(::socket(AF_NETLINK, SOCK_DGRAM | SOCK_CLOEXEC, NETLINK_SOCK_DIAG));
  if (!netlink) return sys_error("asking for", "TCP connections (sock_diag)");
  struct {
    nlmsghdr header;
    inet_diag_req_v2 request;
  } message{};
  message.header.nlmsg_len = sizeof message;
  message.header.nlmsg_type = SOCK_DIAG_BY_FAMILY;
  message.header.nlmsg_flags = NLM_F_REQUEST | NLM_F_DUMP;
  message.request.sdiag_family = static_cast<__u8>(family);
  message.request.sdiag_protocol = IPPROTO_TCP;
  message.request.idiag_ext = 1 << (INET_DIAG_INFO - 1);
  message.request.idiag_states = ~0u & ~(1u << kListen);
  if (::send(netlink.get(), &message, sizeof message, 0) < 0)
    return sys_error("asking for", "TCP connections (sock_diag)");
  alignas(nlmsghdr) char buffer[32768];
  for (;;) {
    const ssize_t got = ::recv(netlink.get(), buffer, sizeof buffer, 0);
    if (got < 0 && errno == EINTR) continue;
    if (got <= 0) return sys_error("reading", "TCP connections (sock_diag)");
    auto left = static_cast<unsigned>(got);
    for (auto* head = reinterpret_cast<nlmsghdr*>(buffer); NLMSG_OK(head, left);
         head = NLMSG_NEXT(head, left)) {
      if (head->nlmsg_type == NLMSG_DONE) return {};
      if (head->nlmsg_type == NLMSG_ERROR) {
        errno = ENOENT;  // the inet_diag module is not there for this family: no connections of it that
                         // anybody could show
        return sys_error("reading", "TCP connections (sock_diag)");
      }
      auto one = parse_tcp_diag({static_cast<const char*>(NLMSG_DATA(head)), NLMSG_PAYLOAD(head, 0)});
      if (one && wanted.contains(one->inode)) out.push_back(std::move(*one));
    }
  }
}

Status dump_both(const std::set<uint64_t>& wanted, std::vector<TcpConnection>& out) {
  TRY_OK(dump(AF_INET, wanted, out));
  (void)dump(AF_INET6, wanted, out);  // a host may be without IPv6
  return {};
}

/// The inode that stands for a network namespace; 0 when it may not be seen.
uint64_t namespace_at(const std::string& path) {
  struct stat info {};
  return ::stat(path.c_str(), &info) == 0 ? info.st_ino : 0;
}

/// The same from inside the namespace of a process.
Status dump_inside(pid_t pid, const std::set<uint64_t>& wanted, std::vector<TcpConnection>& out) {
  TRY(const Fd ours, open_at(AT_FDCWD, "/proc/thread-self/ns/net", O_RDONLY));
  TRY(const Fd theirs, open_at(AT_FDCWD, proc_path(pid) + "/ns/net", O_RDONLY));
  if (::setns(theirs.get(), CLONE_NEWNET) != 0)
    return sys_error("entering the network of process", std::to_string(pid));
  const Status done = dump_both(wanted, out);
  if (::setns(ours.get(), CLONE_NEWNET) != 0) return sys_error("going back to", "our own network");
  return done;
}

}  // namespace

std::optional<Duration> TcpConnection::stalled() const {
  if (!established || send_queue_bytes == 0 || !probing) return std::nullopt;
  // A peer that reads no more still answers probes, and a cut line has us send again: the older of the two is
  // the last time that anything really went through.
  return std::max(since_sent, since_acked);
}

std::optional<TcpConnection> parse_tcp_diag(std::span<const char> payload) {
  inet_diag_msg message{};
  if (payload.size() < sizeof message) return std::nullopt;
  std::memcpy(&message, payload.data(), sizeof message);
  if (message.idiag_family != AF_INET && message.idiag_family != AF_INET6) return std::nullopt;
  TcpConnection out;
  out.inode = message.idiag_inode;
  out.local = endpoint(message.idiag_family, message.id.idiag_src, message.id.idiag_sport);
  out.remote = endpoint(message.idiag_family, message.id.idiag_dst, message.id.idiag_dport);
  out.established = message.idiag_state == kEstablished;
  out.send_queue_bytes = message.idiag_wqueue;
  out.receive_queue_bytes = message.idiag_rqueue;
  for (auto rest = payload.subspan(sizeof message); rest.size() >= sizeof(rtattr);) {
    rtattr attribute{};
    std::memcpy(&attribute, rest.data(), sizeof attribute);
    if (attribute.rta_len < sizeof attribute || attribute.rta_len > rest.size()) break;
    if (attribute.rta_type == INET_DIAG_INFO) {
      // An older kernel tells less, a newer one more.
      tcp_info info{};
      const auto body = rest.subspan(RTA_LENGTH(0), attribute.rta_len - RTA_LENGTH(0));
      std::memcpy(&info, body.data(), std::min(body.size(), sizeof info));
      out.acked_bytes = info.tcpi_bytes_acked;
      out.received_bytes = info.tcpi_bytes_received;
      out.retransmits = info.tcpi_total_retrans;
      out.round_trip = microseconds(info.tcpi_rtt);
      out.since_sent = milliseconds(info.tcpi_last_data_sent);
      out.since_acked = milliseconds(info.tcpi_last_ack_recv);
      out.since_received = milliseconds(info.tcpi_last_data_recv);
      out.probing = info.tcpi_retransmits > 0 || info.tcpi_probes > 0 || info.tcpi_backoff > 0;
    }
    rest = rest.subspan(std::min<size_t>(RTA_ALIGN(attribute.rta_len), rest.size()));
  }
  return out;
}

std::vector<uint64_t> socket_inodes(pid_t pid) {
  std::vector<uint64_t> out;
  const auto folder = open_dir(AT_FDCWD, proc_path(pid) + "/fd");
  if (!folder) return out;
  for (const auto& name : names_in(folder->get())) {
    const std::string target = read_link(folder->get(), name);
    std::string_view text = target;
    constexpr std::string_view kSocket = "socket:[";
    if (!text.starts_with(kSocket) || !text.ends_with(']')) continue;
    text.remove_prefix(kSocket.size());
    text.remove_suffix(1);
    if (const auto inode = parse_u64(text)) out.push_back(*inode);
  }
  return out;
}

Result<std::vector<TcpConnection>> tcp_connections_of(const std::vector<pid_t>& processes) {
  struct Network {
    pid_t member = 0;
    std::set<uint64_t> inodes;
  };
  std::map<uint64_t, Network> networks;
  for (const pid_t pid : processes) {
    const auto inodes = socket_inodes(pid);
    if (inodes.empty()) continue;
    Network& network = networks[namespace_at(proc_path(pid) + "/ns/net")];
    network.member = pid;
    network.inodes.insert(inodes.begin(), inodes.end());
  }
  const uint64_t own = namespace_at("/proc/thread-self/ns/net");
  std::vector<TcpConnection> out;
  for (const auto& [id, network] : networks) {
    if (id == own) TRY_OK(dump_both(network.inodes, out));
    // What ends meanwhile, or is not ours to enter, shows nothing.
    else if (id != 0)
      (void)dump_inside(network.member, network.inodes, out);
  }
  std::ranges::sort(out, {}, &TcpConnection::inode);
  return out;
}

}  // namespace ffrtmp
