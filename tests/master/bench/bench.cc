// Load for a master over real HTTPS, in C++ so that the client is not what is measured: keep-alive TLS
// connections, one thread each (lifecycles), or thousands of parked polls in one thread. Run by
// scripts/bench master (bench.py), which says what the figures mean.
#include <sys/resource.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <chrono>
#include <cstdio>
#include <cstring>
#include <exception>
#include <memory>
#include <mutex>
#include <thread>
#include <vector>

#include "bench/connection.h"

using namespace ffrtmp;
using bench::Connection;
using bench::Target;

namespace {

using Clock = std::chrono::steady_clock;
double since(Clock::time_point start) { return std::chrono::duration<double>(Clock::now() - start).count(); }

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

/// submit, then claim + accept + heartbeat + complete, `batch` jobs a request.
void lifecycles(const Target& target, int threads, int batch, int jobs) {
  std::mutex mutex;
  std::vector<double> claims;
  std::atomic<int> left_to_submit = jobs, left_to_run = jobs;
  const auto submit_start = Clock::now();
  std::vector<std::thread> all;
  for (int t = 0; t < threads; t++)
    all.emplace_back([&] {
      Connection c(target, target.key);
      for (;;) {
        const int mine_now = std::min(batch, left_to_submit.fetch_sub(batch));
        if (mine_now <= 0) break;
        Json list = Json::array();
        for (int i = 0; i < mine_now; i++)
          list.push_back(Json{{"type", "bench"},
                              {"params", {{"crf", 23}, {"preset", "medium"}}},
                              {"input", "/media/in.mp4"}});
        c.ask("POST", "/api/v1/jobs", batch == 1 ? list[0] : Json{{"jobs", list}});
      }
    });
  for (auto& thread : all) thread.join();
  const double submit_s = since(submit_start);
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
  std::ranges::sort(claims);
  const auto percentile = [&](size_t part) { return claims[claims.size() * part / 100] * 1e3; };
  printf("%s\n", Json{{"submit_per_s", jobs / submit_s},
                      {"lifecycle_per_s", jobs / run_s},
                      {"p50_ms", percentile(50)},
                      {"p99_ms", percentile(99)}}
                     .dump()
                     .c_str());
}

void raise_descriptors() {
  rlimit limit{};
  ::getrlimit(RLIMIT_NOFILE, &limit);
  limit.rlim_cur = limit.rlim_max;
  ::setrlimit(RLIMIT_NOFILE, &limit);
}

/// Opens `count` connections with one key, asks something on each, and keeps those that were not refused
/// until a line comes on stdin.
void flood(const Target& target, int count) {
  raise_descriptors();
  std::vector<std::unique_ptr<Connection>> held(static_cast<size_t>(count));
  std::atomic<int> refused = 0, lost = 0;
  std::vector<std::thread> threads;
  for (size_t t = 0; t < 4; t++)
    threads.emplace_back([&, t] {
      for (size_t i = t; i < held.size(); i += 4) try {
          auto connection = std::make_unique<Connection>(target, target.key);
          connection->send("GET", "/api/v1/jobs?limit=1", "");
          connection->receive();
          if (connection->status == 200)
            held[i] = std::move(connection);
          else
            (connection->status == 429 ? refused : lost)++;
        } catch (const std::exception& error) {
          if (lost++ == 0) fprintf(stderr, "%s\n", error.what());
        }
    });
  for (auto& thread : threads) thread.join();
  const auto kept = std::ranges::count_if(held, [](const auto& one) { return one != nullptr; });
  printf("held %ld refused %d lost %d\n", static_cast<long>(kept), refused.load(), lost.load());
  fflush(stdout);
  (void)getchar();
}

/// Parks a poll on each of `count` connections and tells how long that took: a reconnect storm. Then waits
/// for a line on stdin.
void park(const Target& target, int count) {
  raise_descriptors();
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
            "bench PORT CA_FILE KEY lifecycle THREADS BATCH JOBS | park COUNT | "
            "flood COUNT\n");
    return 2;
  }
  std::set_terminate([] {
    try {
      std::rethrow_exception(std::current_exception());
    } catch (const std::exception& error) {
      fprintf(stderr, "%s\n", error.what());
    }
    _exit(1);
  });
  Target target;
  target.port = static_cast<uint16_t>(atoi(argv[1]));
  target.key = argv[3];
  gnutls_certificate_allocate_credentials(&target.trust);
  gnutls_certificate_set_x509_trust_file(target.trust, argv[2], GNUTLS_X509_FMT_PEM);
  if (strcmp(argv[4], "park") == 0)
    park(target, atoi(argv[5]));
  else if (strcmp(argv[4], "flood") == 0)
    flood(target, atoi(argv[5]));
  else if (argc >= 8)
    lifecycles(target, atoi(argv[5]), atoi(argv[6]), atoi(argv[7]));
  return 0;
}
