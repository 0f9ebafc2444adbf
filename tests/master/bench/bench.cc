// Load for a master over real HTTPS, in C++ so that the client is not what is measured: keep-alive TLS
// connections, one thread each (lifecycles), or thousands of parked polls in one thread. Run by
// scripts/bench-master, which says what the figures mean.
#include <arpa/inet.h>
#include <gnutls/gnutls.h>
#include <netinet/tcp.h>
#include <sys/resource.h>
#include <sys/socket.h>

#include <algorithm>
#include <atomic>
#include <chrono>
#include <cstdio>
#include <cstring>
#include <memory>
#include <mutex>
#include <thread>
#include <vector>

#include "sys/fd.h"
#include "sys/json.h"

using namespace ffrtmp;

namespace {

using Clock = std::chrono::steady_clock;
double since(Clock::time_point start) { return std::chrono::duration<double>(Clock::now() - start).count(); }

struct Target {
  uint16_t port = 0;
  std::string key;
  gnutls_certificate_credentials_t trust = nullptr;
};

class Connection {
 public:
  Connection(const Target& target, std::string token) : target_(target), token_(std::move(token)) { dial(); }
  ~Connection() {
    if (session_ != nullptr) gnutls_deinit(session_);
  }
  Connection(const Connection&) = delete;
  Connection& operator=(const Connection&) = delete;

  void send(const char* method, const std::string& path, const std::string& body) {
    std::string text =
        std::string(method) + " " + path + " HTTP/1.1\r\nHost: 127.0.0.1\r\nAuthorization: Bearer " + token_ +
        "\r\nContent-Type: application/json\r\nContent-Length: " + std::to_string(body.size()) + "\r\n\r\n" +
        body;
    for (size_t at = 0; at < text.size();) {
      const ssize_t sent = gnutls_record_send(session_, text.data() + at, text.size() - at);
      if (sent < 0) fail("sending", static_cast<int>(sent));
      at += static_cast<size_t>(sent);
    }
  }
  std::string receive() {
    size_t end = 0;
    while ((end = buffer_.find("\r\n\r\n")) == std::string::npos) more();
    const size_t length_at = buffer_.find("Content-Length: ");
    const size_t length = length_at < end ? std::stoul(buffer_.substr(length_at + 16)) : 0;
    while (buffer_.size() < end + 4 + length) more();
    status = std::stoi(buffer_.substr(9, 3));
    std::string body = buffer_.substr(end + 4, length);
    buffer_.erase(0, end + 4 + length);
    return body;
  }
  Json ask(const char* method, const std::string& path, const Json& body) {
    send(method, path, body.dump());
    const std::string text = receive();
    if (status >= 300) {
      fprintf(stderr, "%s %s: %d %s\n", method, path.c_str(), status, text.c_str());
      exit(1);
    }
    return Json::parse(text);
  }
  int status = 0;

 private:
  [[noreturn]] void fail(const char* what, int code) {
    fprintf(stderr, "%s: %s\n", what, gnutls_strerror(code));
    exit(1);
  }
  void dial() {
    fd_ = Fd(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
    sockaddr_in address{};
    address.sin_family = AF_INET;
    address.sin_port = htons(target_.port);
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    const int on = 1;
    ::setsockopt(fd_.get(), IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
    if (::connect(fd_.get(), reinterpret_cast<sockaddr*>(&address), sizeof address) != 0) {
      perror("connect");
      exit(1);
    }
    gnutls_init(&session_, GNUTLS_CLIENT);
    gnutls_set_default_priority(session_);
    gnutls_credentials_set(session_, GNUTLS_CRD_CERTIFICATE, target_.trust);
    gnutls_session_set_verify_cert(session_, "127.0.0.1", 0);
    gnutls_transport_set_int(session_, fd_.get());
    int code = 0;
    do code = gnutls_handshake(session_);
    while (code < 0 && gnutls_error_is_fatal(code) == 0);
    if (code < 0) fail("handshake", code);
  }
  void more() {
    char part[16384];
    const ssize_t got = gnutls_record_recv(session_, part, sizeof part);
    if (got == GNUTLS_E_AGAIN || got == GNUTLS_E_INTERRUPTED) return;
    if (got <= 0) fail("receiving", static_cast<int>(got));
    buffer_.append(part, static_cast<size_t>(got));
  }
  const Target& target_;
  std::string token_, buffer_;
  Fd fd_;
  gnutls_session_t session_ = nullptr;
};

struct Node {
  std::string id, token;
};
Node join(Connection& admin, int index) {
  char unique[64];
  snprintf(unique, sizeof unique, "bench-%d-%lld", index,
           static_cast<long long>(Clock::now().time_since_epoch().count()));
  const Json made = admin.ask("POST", "/api/v1/nodes/register",
                              Json{{"name", unique},
                                   {"nonce", std::string(unique) + "-0123456789abcdef"},
                                   {"capabilities", {{"max_jobs", 10000}, {"types", {"bench"}}}}});
  return {made["id"], made["token"]};
}

void report(const char* name, std::vector<double>& seconds) {
  std::ranges::sort(seconds);
  if (seconds.empty()) return;
  printf("  %-10s p50 %7.2f ms   p99 %7.2f ms\n", name, seconds[seconds.size() / 2] * 1e3,
         seconds[seconds.size() * 99 / 100] * 1e3);
}

/// submit, then claim + accept + heartbeat + complete, `batch` jobs a request.
void lifecycles(const Target& target, int threads, int batch, int jobs, bool submit_only) {
  std::mutex mutex;
  std::vector<double> claims, submits;
  std::atomic<int> left_to_submit = jobs, left_to_run = jobs;
  const auto submit_start = Clock::now();
  std::vector<std::thread> all;
  for (int t = 0; t < threads; t++)
    all.emplace_back([&] {
      Connection c(target, target.key);
      std::vector<double> mine;
      for (;;) {
        const int mine_now = std::min(batch, left_to_submit.fetch_sub(batch));
        if (mine_now <= 0) break;
        Json list = Json::array();
        for (int i = 0; i < mine_now; i++)
          list.push_back(Json{{"type", "bench"},
                              {"params", {{"crf", 23}, {"preset", "medium"}}},
                              {"input", "/media/in.mp4"}});
        const auto start = Clock::now();
        c.ask("POST", "/api/v1/jobs", batch == 1 ? list[0] : Json{{"jobs", list}});
        mine.push_back(since(start));
      }
      const std::lock_guard lock(mutex);
      submits.insert(submits.end(), mine.begin(), mine.end());
    });
  for (auto& thread : all) thread.join();
  const double submit_s = since(submit_start);
  printf("  submit     %8.0f jobs/s\n", jobs / submit_s);
  report("submit", submits);
  if (submit_only) return;
  all.clear();
  Connection admin(target, target.key);
  std::vector<Node> nodes;
  for (int t = 0; t < threads; t++) nodes.push_back(join(admin, t));
  const auto run_start = Clock::now();
  for (int t = 0; t < threads; t++)
    all.emplace_back([&, t] {
      const Node& node = nodes[static_cast<size_t>(t)];
      Connection c(target, node.token);
      const std::string at = "/api/v1/nodes/" + node.id;
      std::vector<double> mine;
      for (long nonce = 0; left_to_run > 0; nonce++) {
        const auto start = Clock::now();
        const Json leased = c.ask("POST", at + "/lease",
                                  Json{{"nonce", std::to_string(nonce)},
                                       {"max_jobs", batch},
                                       {"wait_s", 0},
                                       {"free", {{"slots", batch}}}});
        mine.push_back(since(start));
        Json fences = Json::array(), results = Json::array();
        for (const Json& grant : leased["grants"]) {
          fences.push_back(Json{{"job", grant["job"]}, {"attempt", grant["attempt"]}});
          results.push_back(Json{{"job", grant["job"]},
                                 {"attempt", grant["attempt"]},
                                 {"outcome", "succeeded"},
                                 {"result", {{"frames", 1000}, {"exit_code", 0}}}});
        }
        if (fences.empty()) continue;
        left_to_run -= static_cast<int>(fences.size());
        c.ask("POST", at + "/accept", batch == 1 ? fences[0] : Json{{"jobs", fences}});
        c.ask("POST", at + "/heartbeat", Json{{"session", "s"}, {"beat", nonce + 1}, {"jobs", fences}});
        c.ask("POST", at + "/results", batch == 1 ? results[0] : Json{{"jobs", results}});
      }
      const std::lock_guard lock(mutex);
      claims.insert(claims.end(), mine.begin(), mine.end());
    });
  for (auto& thread : all) thread.join();
  const double run_s = since(run_start);
  printf("  lifecycle  %8.0f jobs/s (claim + accept + heartbeat + result)\n", jobs / run_s);
  printf("  whole      %8.0f jobs/s (with submit)\n", jobs / (run_s + submit_s));
  report("claim", claims);
}

/// Parks a poll on each of `count` connections and tells how long that took: a reconnect storm. Then waits
/// for a line on stdin.
void park(const Target& target, int count) {
  rlimit limit{};
  ::getrlimit(RLIMIT_NOFILE, &limit);
  limit.rlim_cur = limit.rlim_max;
  ::setrlimit(RLIMIT_NOFILE, &limit);
  Connection admin(target, target.key);
  std::vector<Node> nodes;
  for (int i = 0; i < count; i++) nodes.push_back(join(admin, i));
  std::vector<std::unique_ptr<Connection>> parked(nodes.size());
  const auto start = Clock::now();
  std::vector<std::thread> threads;
  for (size_t t = 0; t < 4; t++)
    threads.emplace_back([&, t] {
      for (size_t i = t; i < nodes.size(); i += 4) {
        parked[i] = std::make_unique<Connection>(target, nodes[i].token);
        parked[i]->send("POST", "/api/v1/nodes/" + nodes[i].id + "/lease",
                        R"({"nonce":"p","wait_s":60,"free":{"slots":1}})");
      }
    });
  for (auto& thread : threads) thread.join();
  printf("parked %d polls over TLS in %.1f s\n", count, since(start));
  fflush(stdout);
  (void)getchar();
}

}  // namespace

int main(int argc, char** argv) {
  if (argc < 6) {
    fprintf(stderr,
            "bench PORT CA_FILE KEY lifecycle THREADS BATCH JOBS | submit THREADS BATCH JOBS | park COUNT\n");
    return 2;
  }
  Target target;
  target.port = static_cast<uint16_t>(atoi(argv[1]));
  target.key = argv[3];
  gnutls_certificate_allocate_credentials(&target.trust);
  gnutls_certificate_set_x509_trust_file(target.trust, argv[2], GNUTLS_X509_FMT_PEM);
  if (strcmp(argv[4], "park") == 0)
    park(target, atoi(argv[5]));
  else if (argc >= 8)
    lifecycles(target, atoi(argv[5]), atoi(argv[6]), atoi(argv[7]), strcmp(argv[4], "submit") == 0);
  return 0;
}
