#include <unistd.h>

#include <cstdio>

#include "api.h"
#include "event_feed.h"
#include "openapi.h"
#include "store/sweep.h"

namespace ffrtmp::master {

Answer health(std::shared_ptr<Call> call) {
  Json out;
  out["status"] = call->app.draining ? "draining" : "live";
  out["version"] = FFRTMP_VERSION;
  return json(200, out);
}

Answer ready(std::shared_ptr<Call> call) {
  App& app = call->app;
  const int64_t began = monotonic_ms();
  // A real write: a database that can only be read is not ready. Probes are answered from one write a second.
  static std::mutex mutex;
  static int64_t asked_at = 0;
  static Status last;
  {
    const std::lock_guard lock(mutex);
    if (asked_at == 0 || began - asked_at > 1000) {
      last = app.db->write([](store::Tx& tx) -> Status {
        TRY_OK(
            tx.run("INSERT INTO meta(name, value) VALUES('ready', ?1) ON CONFLICT(name) DO UPDATE SET value "
                   "= excluded.value",
                   {tx.now()}));
        return {};
      });
      asked_at = monotonic_ms();
    }
  }
  const Status done = last;
  Json out;
  out["status"] = !done ? "database unavailable" : app.draining ? "draining" : "ready";
  out["database"] = app.db->dialect() == store::Dialect::sqlite ? "sqlite" : "postgresql";
  net::Response response = json(done && !app.draining ? 200 : 503, out);
  if (response.status == 503) response.headers.emplace_back("Retry-After", "2");
  return response;
}

namespace {
int64_t resident_bytes() {
  FILE* file = ::fopen("/proc/self/statm", "re");
  if (file == nullptr) return 0;
  long total = 0, resident = 0;
  const int got = ::fscanf(file, "%ld %ld", &total, &resident);
  ::fclose(file);
  return got == 2 ? resident * ::sysconf(_SC_PAGESIZE) : 0;
}
}  // namespace

Answer metrics(std::shared_ptr<Call> call) {
  App& app = call->app;
  FieldErrors errors;
  std::string out = app.metrics.text();
  const auto gauge = [&](const char* name, const std::string& labels, int64_t value) {
    out += std::string("ffrtmp_") + name + labels + " " + std::to_string(value) + "\n";
  };
  // Counting half a million rows at every scrape would cost more than it tells: five seconds old is fresh
  // enough.
  static std::mutex mutex;
  static int64_t counted_at = 0;
  static std::map<std::string, int64_t> jobs;
  static int64_t online = 0, nodes = 0;
  {
    const std::lock_guard lock(mutex);
    if (counted_at == 0 || monotonic_ms() - counted_at > 5000) {
      const Status done = app.read([&](store::Tx& tx) -> Status {
        std::map<std::string, int64_t> fresh;
        for (const char* state : {"queued", "offered", "running", "failed", "cancelled"}) {
          TRY(const store::Rows rows,
              tx.run(std::string("SELECT count(*) FROM jobs WHERE state = '") + state + "'"));
          fresh[state] = rows[0][0].i();
        }
        TRY(const store::Rows found, tx.run("SELECT count(*), coalesce(sum(online), 0) FROM nodes"));
        nodes = found[0][0].i();
        online = found[0][1].i();
        jobs = fresh;
        return {};
      });
      if (done) counted_at = monotonic_ms();
    }
    out += "# TYPE ffrtmp_jobs gauge\n";
    for (const auto& [state, count] : jobs) gauge("jobs", "{state=\"" + state + "\"}", count);
    out += "# TYPE ffrtmp_nodes gauge\n";
    gauge("nodes", "{state=\"online\"}", online);
    gauge("nodes", "{state=\"offline\"}", nodes - online);
  }
  const net::Server* server = app.server;
  const std::pair<const char*, int64_t> gauges[] = {
      {"parked_polls", static_cast<int64_t>(app.board.waiting())},
      {"connections", server == nullptr ? 0 : static_cast<int64_t>(server->connections())},
      {"event_followers", static_cast<int64_t>(EventFeed::of(app).followers())},
      {"leader", app.db->leading() ? 1 : 0},
      {"resident_memory_bytes", resident_bytes()},
      {"draining", app.draining ? 1 : 0}};
  for (const auto& [name, value] : gauges) {
    out += std::string("# TYPE ffrtmp_") + name + " gauge\n";
    gauge(name, "", value);
  }
  net::Response response;
  response.type = "application/openmetrics-text; version=1.0.0; charset=utf-8";
  response.body = out + "# EOF\n";
  return response;
}

Answer openapi(std::shared_ptr<Call>) {
  static const std::string kDocument = openapi_document();
  net::Response out;
  out.body = kDocument;
  return out;
}

}  // namespace ffrtmp::master
