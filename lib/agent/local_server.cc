// /metrics, /health, /ready and /node on a loopback address: what this node is and does, for scrapers and for
// `ffrtmp node`.
#include <fcntl.h>
#include <unistd.h>

#include "agent/agent.h"
#include "agent/capabilities.h"
#include "agent/log.h"
#include "net/server.h"
#include "sys/clock.h"
#include "sys/file.h"
#include "sys/host_port.h"
#include "sys/text.h"

namespace ffrtmp::agent {

namespace {

uint64_t resident_bytes() {
  const std::string text = read_file("/proc/self/statm", 256).value_or("");
  const auto field = words(text);
  return field.size() > 1 ? parse_u64(field[1]).value_or(0) * static_cast<uint64_t>(::sysconf(_SC_PAGESIZE))
                          : 0;
}

net::Response json_answer(int status, const Json& body) {
  net::Response out;
  out.status = status;
  out.body = dump_json(body, 1) + "\n";
  return out;
}

}  // namespace

Gauges Agent::gauges() const {
  Gauges out;
  for (const auto& [key, job] : jobs_) out.by_step[static_cast<size_t>(job->attempt.step)]++;
  out.slots = static_cast<uint64_t>(slots_of(options_));
  out.outbox = outbox_.size();
  out.disk_free = free_disk(options_);
  out.resident_bytes = resident_bytes();
  out.master_reached = reached_;
  out.draining = draining_ || master_drains_;
  out.ready = why_not_ready().empty();
  out.silent_s = seconds_of(boot_time() - last_heard_);
  return out;
}

/// "" when it can work now. Without a master it can: it goes on with what it has and keeps what there is to
/// tell.
std::string Agent::why_not_ready() const {
  if (!identity_.registered()) return "it has not joined a fleet yet";
  if (::access(wrapper_.c_str(), X_OK) != 0) return "there is no " + wrapper_;
  if (free_disk(options_) == 0) return "the disk has no room beside the reserve";
  if (::access(options_.work_dir.c_str(), W_OK) != 0) return "the work folder cannot be written";
  if (second_) return "another agent speaks in this node's name, and the master listens to that one";
  if (draining_ || master_drains_) return "it is drained";
  return "";
}

Json Agent::node_page() const {
  Json jobs = Json::array();
  for (const auto& [key, job] : jobs_) {
    const Attempt& a = job->attempt;
    Json one = {{"job", a.job},
                {"attempt", a.number},
                {"type", text_or(a.spec, "type")},
                {"queue", a.queue},
                {"step", std::string(step_name(a.step))},
                {"wish", std::string(wish_name(a.wish))},
                {"stands_aside", job->stands_aside},
                {"run_id", a.run_id},
                {"granted_at", rfc3339({a.granted_at * 1'000'000})}};
    if (!job->progress.empty()) one["progress"] = job->progress;
    jobs.push_back(std::move(one));
  }
  const std::string why = why_not_ready();
  return {{"schema", 1},
          {"node", identity_.id},
          {"name", identity_.name},
          {"version", FFRTMP_VERSION},
          {"pid", ::getpid()},
          {"master", masters_->current()},
          {"master_reached", reached_},
          {"master_silent_s", seconds_of(boot_time() - last_heard_)},
          {"heartbeat_s", seconds_of(heartbeat_)},
          {"ready", why.empty()},
          {"why_not_ready", why.empty() ? Json(nullptr) : Json(why)},
          {"draining", draining_ || master_drains_},
          {"slots", slots_of(options_)},
          {"outbox", outbox_.size()},
          {"disk_free_bytes", free_disk(options_)},
          {"jobs", jobs}};
}

Status Agent::start_local_server() {
  if (options_.metrics_listen == "none") return {};
  net::ServerOptions options;
  const auto listen = parse_host_port(options_.metrics_listen).value_or(HostPort());
  options.host = listen.host;
  options.port = listen.port;
  options.most_connections = 32;
  options.most_body = 1024;
  options.most_body_total = 65536;
  options.io_threads = 1;
  options.worker_threads = 1;
  auto server = net::Server::start(options, [this](std::shared_ptr<net::Exchange> exchange) {
    // What is asked for belongs to the loop's thread: it is answered there, without a lock.
    loop_->post([this, exchange] {
      const std::string& path = exchange->request.path;
      const std::string why = why_not_ready();
      if (path == "/metrics") {
        net::Response out;
        out.type = "application/openmetrics-text; version=1.0.0; charset=utf-8";
        out.body = metrics_text(counters_, gauges());
        exchange->respond(std::move(out));
      } else if (path == "/health") {
        exchange->respond(json_answer(200, {{"status", "ok"}}));
      } else if (path == "/ready") {
        exchange->respond(
            json_answer(why.empty() ? 200 : 503, {{"ready", why.empty()},
                                                  {"why", why.empty() ? Json(nullptr) : Json(why)},
                                                  {"master_reached", reached_}}));
      } else if (path == "/node") {
        exchange->respond(json_answer(200, node_page()));
      } else {
        exchange->respond(json_answer(404, {{"error", "there are /metrics, /health, /ready and /node"}}));
      }
    });
  });
  if (!server) {
    // Of a port that is taken (a second agent on one host) no job shall suffer.
    log(Level::warning, "no local server", {{"error", server.error().message()}});
    return {};
  }
  server_ = std::move(*server);
  // Where ffrtmp node finds it, also with --metrics-listen HOST:0.
  TRY(const Fd dir, open_dir(AT_FDCWD, options_.state_dir));
  return write_atomic(dir.get(), "address", options.host + ":" + std::to_string(server_->port()) + "\n",
                      0644);
}

}  // namespace ffrtmp::agent
