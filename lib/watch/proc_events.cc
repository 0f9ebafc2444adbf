#include "watch/proc_events.h"

#include <arpa/inet.h>
#include <linux/cn_proc.h>
#include <linux/connector.h>
#include <linux/filter.h>
#include <linux/netlink.h>
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <array>
#include <cstddef>
#include <cstring>

namespace ffrtmp {

namespace {

constexpr size_t kMessage = sizeof(nlmsghdr) + sizeof(cn_msg);
constexpr uint32_t kWhat = kMessage + offsetof(proc_event, what);

/// Lets through what announces an exec, and with `answers` also what answers a request.
Status set_filter(int fd, bool answers) {
  // A classic filter loads words in network order; the kernel wrote them in the host's.
  sock_filter program[] = {
      BPF_STMT(BPF_LD | BPF_W | BPF_ABS, kWhat),
      BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, htonl(proc_event::PROC_EVENT_EXEC), 1, 0),
      BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K,
               answers ? htonl(proc_event::PROC_EVENT_NONE) : htonl(proc_event::PROC_EVENT_EXEC), 0, 1),
      BPF_STMT(BPF_RET | BPF_K, 0xffffffff),
      BPF_STMT(BPF_RET | BPF_K, 0),
  };
  const sock_fprog filter{static_cast<unsigned short>(std::size(program)), program};
  if (::setsockopt(fd, SOL_SOCKET, SO_ATTACH_FILTER, &filter, sizeof filter) != 0)
    return sys_error("filtering process events", "");
  return {};
}

Status say_listen(int fd) {
  nlmsghdr header{};
  cn_msg message{};
  const proc_cn_mcast_op what = PROC_CN_MCAST_LISTEN;
  std::array<char, kMessage + sizeof what> request{};
  header.nlmsg_len = request.size();
  header.nlmsg_type = NLMSG_DONE;
  message.id = {CN_IDX_PROC, CN_VAL_PROC};
  message.len = sizeof what;
  std::memcpy(request.data(), &header, sizeof header);
  std::memcpy(request.data() + sizeof header, &message, sizeof message);
  std::memcpy(request.data() + kMessage, &what, sizeof what);
  if (::send(fd, request.data(), request.size(), 0) != static_cast<ssize_t>(request.size()))
    return sys_error("asking for process events", "");
  return {};
}

}  // namespace

Result<ProcEvents> ProcEvents::open() {
  Fd fd(::socket(AF_NETLINK, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, NETLINK_CONNECTOR));
  if (!fd) return sys_error("opening the proc connector", "");
  TRY_OK(set_filter(fd.get(), true));
  sockaddr_nl address{};
  address.nl_family = AF_NETLINK;
  address.nl_groups = CN_IDX_PROC;
  if (::bind(fd.get(), reinterpret_cast<const sockaddr*>(&address), sizeof address) != 0)
    return sys_error("binding to the proc connector", "");
  // Some 2700 of them; a build starts hundreds a second.
  const int room = 1 << 20;
  if (::setsockopt(fd.get(), SOL_SOCKET, SO_RCVBUFFORCE, &room, sizeof room) != 0)
    (void)::setsockopt(fd.get(), SOL_SOCKET, SO_RCVBUF, &room, sizeof room);
  TRY_OK(say_listen(fd.get()));
  // The answer tells that we are heard.
  pollfd waiting{fd.get(), POLLIN, 0};
  constexpr int kPatienceMs = 1000;
  if (::poll(&waiting, 1, kPatienceMs) <= 0)
    return bad_input("the proc connector does not answer here", "",
                     "it speaks to the first network, PID and user namespace only");
  TRY_OK(set_filter(fd.get(), false));
  return ProcEvents(std::move(fd));
}

ProcEvents::News ProcEvents::read() {
  News out;
  constexpr int kAtOnce = 256;
  for (int i = 0; i < kAtOnce; i++) {
    alignas(nlmsghdr) std::array<char, 1024> buffer{};
    sockaddr_nl from{};
    socklen_t length = sizeof from;
    const ssize_t got =
        ::recvfrom(fd_.get(), buffer.data(), buffer.size(), 0, reinterpret_cast<sockaddr*>(&from), &length);
    if (got < 0 && errno == EINTR) continue;
    if (got < 0 && errno == ENOBUFS) out.lost = true;
    if (got < 0) break;
    proc_event event{};
    constexpr size_t kNeeded = kMessage + offsetof(proc_event, event_data) + sizeof event.event_data.exec;
    // Others may send to the group as well.
    if (from.nl_pid != 0 || static_cast<size_t>(got) < kNeeded) continue;
    std::memcpy(&event, buffer.data() + kMessage, kNeeded - kMessage);
    if (event.what == proc_event::PROC_EVENT_EXEC) out.started.push_back(event.event_data.exec.process_tgid);
  }
  return out;
}

}  // namespace ffrtmp
