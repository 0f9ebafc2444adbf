#include "jobs/sample.h"

#include <arpa/inet.h>
#include <doctest/doctest.h>
#include <fcntl.h>
#include <linux/inet_diag.h>
#include <linux/rtnetlink.h>
#include <linux/tcp.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cstring>

#include "fake.h"
#include "sys/clock.h"
#include "sys/file.h"

using namespace ffrtmp;
using namespace std::chrono_literals;

namespace {

/// What the kernel would send for one connection.
std::string diag(const tcp_info& info, size_t info_bytes = sizeof(tcp_info)) {
  inet_diag_msg message{};
  message.idiag_family = AF_INET;
  message.idiag_state = 1;
  message.id.idiag_sport = htons(40000);
  message.id.idiag_dport = htons(1935);
  message.id.idiag_src[0] = htonl(0x7f000001);
  message.id.idiag_dst[0] = htonl(0xc0000201);
  message.idiag_wqueue = 4096;
  message.idiag_inode = 77;
  rtattr head{};
  head.rta_type = INET_DIAG_INFO;
  head.rta_len = static_cast<unsigned short>(RTA_LENGTH(info_bytes));
  std::string out(reinterpret_cast<const char*>(&message), sizeof message);
  out.append(reinterpret_cast<const char*>(&head), sizeof head);
  out.append(reinterpret_cast<const char*>(&info), info_bytes);
  return out;
}

TcpConnection stuck(uint32_t queue, Duration sent, Duration acked) {
  TcpConnection out;
  out.remote = "192.0.2.1:1935";
  out.established = true;
  out.send_queue_bytes = queue;
  out.since_sent = sent;
  out.since_acked = acked;
  out.probing = true;
  return out;
}

}  // namespace

TEST_CASE("a connection is read from the kernel's message") {
  tcp_info info{};
  info.tcpi_bytes_acked = 1000;
  info.tcpi_bytes_received = 20;
  info.tcpi_total_retrans = 3;
  info.tcpi_rtt = 1500;
  info.tcpi_last_data_sent = 12000;
  info.tcpi_last_ack_recv = 300;
  info.tcpi_backoff = 4;
  const auto one = parse_tcp_diag(diag(info));
  REQUIRE(one);
  CHECK(one->inode == 77);
  CHECK(one->local == "127.0.0.1:40000");
  CHECK(one->remote == "192.0.2.1:1935");
  CHECK(one->acked_bytes == 1000);
  CHECK(one->received_bytes == 20);
  CHECK(one->retransmits == 3);
  CHECK(one->round_trip == 1500us);
  // The peer answers probes, but nothing has left for 12 s.
  CHECK(one->stalled() == Duration(12s));
}

TEST_CASE("a connection's message may be short, or of an older kernel") {
  tcp_info info{};
  info.tcpi_rtt = 1500;
  info.tcpi_bytes_acked = 1000;
  const std::string whole = diag(info);
  for (size_t length = 0; length < whole.size(); length++)
    (void)parse_tcp_diag(std::string_view(whole).substr(0, length));
  CHECK_FALSE(parse_tcp_diag(std::string_view(whole).substr(0, sizeof(inet_diag_msg) - 1)));
  const auto old = parse_tcp_diag(diag(info, 104));  // Linux 3.x: without byte counters
  REQUIRE(old);
  CHECK(old->round_trip == 1500us);
  CHECK(old->acked_bytes == 0);
}

TEST_CASE("a socket of this very process is found, with what its peer has taken") {
  const Fd listener(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  socklen_t length = sizeof address;
  REQUIRE(::bind(listener.get(), reinterpret_cast<sockaddr*>(&address), sizeof address) == 0);
  REQUIRE(::listen(listener.get(), 1) == 0);
  REQUIRE(::getsockname(listener.get(), reinterpret_cast<sockaddr*>(&address), &length) == 0);
  const Fd client(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
  REQUIRE(::connect(client.get(), reinterpret_cast<sockaddr*>(&address), sizeof address) == 0);
  const Fd server(::accept4(listener.get(), nullptr, nullptr, SOCK_CLOEXEC));
  const std::string text(5000, 'x');
  REQUIRE(::send(client.get(), text.data(), text.size(), 0) == 5000);
  const std::string remote = "127.0.0.1:" + std::to_string(ntohs(address.sin_port));
  uint64_t acked = 0;
  for (int i = 0; i < 200 && acked < 5000; i++) {
    const auto all = tcp_connections_of({::getpid()});
    REQUIRE(all);
    for (const auto& each : *all)
      if (each.remote == remote) acked = each.acked_bytes;
    ::usleep(10000);
  }
  CHECK((acked == 5000 || acked == 5001));  // the kernel counts the SYN too
}

TEST_CASE("a stream stands still when data waits that the peer does not take") {
  Record record;
  Sample sample;
  CHECK_FALSE(standstill(record, sample));
  sample.connections = {stuck(0, 30s, 30s)};  // nothing to send: silent, not stalled
  CHECK_FALSE(standstill(record, sample));
  sample.connections = {stuck(4096, 100ms, 1500ms)};  // a lost segment
  CHECK_FALSE(standstill(record, sample));
  sample.connections = {stuck(4096, 3s, 100ms), stuck(8192, 100ms, 12s)};
  const auto still = standstill(record, sample);
  REQUIRE(still);
  CHECK(still->since == Duration(12s));
  CHECK(still->what == "192.0.2.1:1935 takes no more data, 8K wait");
  sample.connections[1].established = sample.connections[0].established = false;
  CHECK_FALSE(standstill(record, sample));
  record.stalled_since = WallTime{wall_now().ns - 5'000'000'000};
  REQUIRE(standstill(record, sample));
  CHECK(standstill(record, sample)->what.starts_with("its media time has stood still since 2"));
}

TEST_CASE("rates are differences over time, and only of what both looks saw") {
  Sample before, after;
  before.at = 10s;
  after.at = 12s;
  CHECK_FALSE(rates_between(before, after).cpu_cores);
  before.usage.cpu_user_s = 1, before.usage.cpu_system_s = 1;
  after.usage.cpu_user_s = 3, after.usage.cpu_system_s = 2;
  before.usage.cpu_periods = 10, after.usage.cpu_periods = 30;
  before.usage.throttled_periods = 5, after.usage.throttled_periods = 10;
  before.usage.cpu_pressure_us = 0, after.usage.cpu_pressure_us = 500'000;
  TcpConnection connection;
  connection.inode = 5, connection.acked_bytes = 1000;
  before.connections = {connection};
  connection.acked_bytes = 251'000;
  after.connections = {connection};
  connection.inode = 6, connection.acked_bytes = 2500;  // opened between the looks
  after.connections.push_back(connection);
  before.files = {{"/a", 100, {}}, {"/gone", 5, {}}};
  after.files = {{"/a", 300, {}}};
  const Rates rates = rates_between(before, after);
  CHECK(*rates.cpu_cores == doctest::Approx(1.5));
  CHECK(*rates.throttled_share == doctest::Approx(0.25));
  CHECK(*rates.cpu_pressure == doctest::Approx(0.25));
  CHECK(*rates.sent_bits == doctest::Approx(252'500.0 * 8 / 2));
  CHECK(*rates.file_bps == doctest::Approx(100));
  CHECK_FALSE(rates.read_bps);
  // A counter that went back (another cgroup, a file cut) is no negative rate.
  std::swap(before.usage, after.usage);
  CHECK(*rates_between(before, after).cpu_cores == 0);
  // Two looks at the same moment tell nothing.
  CHECK_FALSE(rates_between(before, before).cpu_cores);
}

TEST_CASE("files that a process writes are seen, and those that it reads are not") {
  fake::Dir dir;
  dir.file("read", "x");
  const auto reader = open_at(AT_FDCWD, dir / "read", O_RDONLY);
  const auto writer = open_at(AT_FDCWD, dir / "written", O_WRONLY | O_CREAT);
  REQUIRE(writer);
  REQUIRE(write_all(writer->get(), "12345"));
  const OutputFile* found = nullptr;
  const auto files = output_files_of({::getpid()});
  for (const auto& file : files) {
    CHECK_FALSE(file.path.ends_with("/read"));
    if (file.path.ends_with("/written")) found = &file;
  }
  REQUIRE(found);
  CHECK(found->bytes == 5);
  CHECK(found->since_written < 60s);
}
