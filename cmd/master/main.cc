#include <fcntl.h>
#include <malloc.h>
#include <signal.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <systemd/sd-daemon.h>
#include <unistd.h>

#include <cstring>
#include <iostream>

#include "api.h"
#include "event_feed.h"
#include "housekeeper.h"
#include "lease.h"
#include "log.h"
#include "net/certificates.h"
#include "net/digest.h"
#include "store/keys.h"
#include "store/sweep.h"
#include "sys/file.h"
#include "sys/host_port.h"
#include "sys/text.h"
#include "webhook_sender.h"

namespace ffrtmp::master {

namespace {

// 0 it worked, 1 it failed, 2 it was asked wrongly.
constexpr int kFailed = 1, kUsage = 2;
constexpr int64_t kDayMs = 86'400'000;

std::vector<std::string> certificate_names(const Options& options) {
  std::vector<std::string> out = options.tls_names;
  char host[256] = {};
  if (::gethostname(host, sizeof host - 1) == 0 && *host != '\0') out.emplace_back(host);
  const std::string bound = parse_host_port(options.listen).value_or(HostPort()).host;
  for (const char* name : {"localhost", "127.0.0.1", "::1"}) out.emplace_back(name);
  if (bound != "0.0.0.0" && bound != "::") out.push_back(bound);
  std::ranges::sort(out);
  const auto [first, last] = std::ranges::unique(out);
  out.erase(first, last);
  return out;
}

struct TlsFiles {
  std::string certificate, key;  ///< PEM
  net::OwnTls own;               ///< empty when the operator gave a pair
};
Result<TlsFiles> load_tls(const Options& options) {
  TlsFiles out;
  if (options.insecure_http) return out;
  std::string certificate_file = options.tls_cert, key_file = options.tls_key;
  if (certificate_file.empty()) {
    TRY(out.own, net::own_tls(options.state_dir + "/tls", certificate_names(options)));
    certificate_file = out.own.certificate_file;
    key_file = out.own.key_file;
  }
  TRY(out.certificate, read_file(certificate_file));
  TRY(out.key, read_file(key_file));
  return out;
}

/// The first key, when the database has none: printed once, and kept in a file that only this user reads.
Status first_key(App& app) {
  std::string text;
  const Status made = app.db->write([&](store::Tx& tx) -> Status {
    text.clear();
    TRY(const store::Rows any, tx.run("SELECT id FROM keys LIMIT 1"));
    if (!any.empty()) return {};
    const Token token = make_token("ffk_", "");
    TRY_OK(
        store::add_key(tx, {token.id, "first", "admin", "default", net::sha256_hex(token.secret), 0, 0, 0}));
    text = token.text;
    return {};
  });
  if (!made) return made;
  if (text.empty()) return {};
  const std::string file = app.options.state_dir + "/admin.key";
  TRY_OK(write_atomic(AT_FDCWD, file, text + "\n", 0600));
  std::cout << "admin key (shown once, also in " << file << "): " << text << std::endl;
  return {};
}

void raise_descriptors() {
  rlimit limit{};
  if (::getrlimit(RLIMIT_NOFILE, &limit) == 0 && limit.rlim_cur < limit.rlim_max) {
    limit.rlim_cur = limit.rlim_max;
    ::setrlimit(RLIMIT_NOFILE, &limit);
  }
}

void apply_limits(App& app) {
  app.limits.configure(static_cast<double>(app.options.requests_per_second),
                       static_cast<double>(app.options.burst), app.options.open_per_key);
  app.connections_per_key = app.options.connections_per_key;
  app.board.set_tenants(app.options.tenants);
  set_log(level_of(app.options.log_level), app.options.log_format == "json");
}

void reload(App& app) {
  ::sd_notify(0, "RELOADING=1");
  Status done;
  {
    const std::unique_lock lock(app.options_mutex);
    done = reread_config(app.options);
    if (done) apply_limits(app);
  }
  if (done && !app.options.insecure_http) {
    const auto tls = load_tls(app.options);
    done = tls ? app.server.load()->reload_certificate(tls->certificate, tls->key)
               : Status(std::unexpected(tls.error()));
  }
  if (done)
    log(Level::info, "reloaded");
  else
    log(Level::error, "not reloaded, the old settings stay", {{"error", done.error().message()}});
  ::sd_notify(0, "READY=1");
}

/// Nobody new is let in, parked polls are answered, what is under way may finish.
void drain(App& app, EventFeed& feed) {
  ::sd_notify(0, "STOPPING=1\nSTATUS=draining");
  log(Level::info, "draining", {{"open", std::to_string(app.server.load()->open_requests())}});
  app.draining = true;
  app.server.load()->quiesce();
  feed.close();
  const int64_t until = monotonic_ms() + app.options.drain_seconds * 1000;
  // systemd's own patience may be shorter than what the operator asked of us.
  const int64_t patience_us = (app.options.drain_seconds + 15) * 1'000'000;
  ::sd_notify(0, ("EXTEND_TIMEOUT_USEC=" + std::to_string(patience_us)).c_str());
  do {
    app.parking.flush();
    app.board.wake_all();
    ::usleep(20'000);
    // Who was let in a moment ago and is still shaking hands has not been refused: they too get their answer.
  } while (app.server.load()->busy_connections() > 0 && monotonic_ms() < until);
}

/// Tells systemd that the master works, which is for the database to say: one that is away is no reason to be
/// killed, and one that does not come back to us is.
void feed_watchdog(App& app) {
  const Status alive = app.db->read([](store::Tx& tx) -> Status {
    TRY_OK(tx.run("SELECT 1"));
    return {};
  });
  if (alive || store::fault_of(alive.error()) == store::Fault::unavailable) ::sd_notify(0, "WATCHDOG=1");
}

void wait_for_signals(App& app, EventFeed& feed) {
  sigset_t mask;
  sigemptyset(&mask);
  for (const int signal : {SIGTERM, SIGINT, SIGHUP}) sigaddset(&mask, signal);
  uint64_t watchdog_us = 0;
  const bool watched = ::sd_watchdog_enabled(0, &watchdog_us) > 0;
  const bool own_certificate = !app.options.insecure_http && app.options.tls_cert.empty();
  int64_t renew_at = monotonic_ms() + kDayMs;
  for (;;) {
    const int64_t wait_ms = watched ? static_cast<int64_t>(watchdog_us / 2000) : kDayMs;
    const timespec wait{static_cast<time_t>(wait_ms / 1000), wait_ms % 1000 * 1'000'000};
    const int signal = ::sigtimedwait(&mask, nullptr, &wait);
    if (signal == SIGTERM || signal == SIGINT) return drain(app, feed);
    if (watched) feed_watchdog(app);
    // Once a day unasked: its own certificate may be due.
    if (signal == SIGHUP || (own_certificate && monotonic_ms() >= renew_at)) {
      reload(app);
      renew_at = monotonic_ms() + kDayMs;
    }
  }
}

Status run(const Options& options) {
  raise_descriptors();
  TRY_OK(make_dirs(options.state_dir, 0700));
  TRY_OK(make_dirs(options.blob_dir, 0700));
  App app;
  app.options = options;
  apply_limits(app);
  TRY(app.db, store::open_database(options.db));
  // Tokens of nodes that were revoked by another master end here too.
  app.db->on_notify([&app](const std::string& channel, const std::string& payload) {
    if (channel == "auth") app.auth_epoch++;
    if (channel == "hurry") hurry_here(payload);
    if (channel == "ready") {
      const auto id = parse_i64(payload);
      if (!id) return;
      if (!app.board.knows(*id))
        (void)app.read([&](store::Tx& tx) { return store::load_classes(tx, app.board); });
      app.board.ready(*id, 0, app.db->now_estimate(), 16, false);
    }
  });
  app.board.on_ready([&app](int64_t id) { app.db->notify("ready", std::to_string(id)); });
  TRY_OK(app.read([&](store::Tx& tx) { return store::refresh_board(tx, app.board); }));
  TRY_OK(first_key(app));
  TRY(const TlsFiles tls, load_tls(options));

  net::ServerOptions server;
  const auto listen = parse_host_port(options.listen).value_or(HostPort());
  server.host = listen.host;
  server.port = listen.port;
  server.certificate = tls.certificate;
  server.key = tls.key;
  if (!options.client_ca.empty()) {
    TRY(server.client_ca, read_file(options.client_ca));
  }
  server.most_connections = static_cast<size_t>(options.most_connections);
  server.most_per_address = static_cast<size_t>(options.most_per_address);
  server.worker_threads = static_cast<int>(options.worker_threads);
  // "Does it live?" must not wait behind requests that wait for the database.
  server.at_once = [](const net::Request& request) { return request.path == "/health"; };
  server.header_ms = options.header_timeout_ms;
  server.body_ms = options.body_timeout_ms;
  server.idle_ms = options.idle_timeout_ms;
  if (::sd_listen_fds(1) > 0) server.listen_fd = SD_LISTEN_FDS_START;

  EventFeed feed(app);
  Housekeeper housekeeper(app);
  WebhookSender webhooks(app);
  TRY(const auto http,
      net::Server::start(server, [&app](std::shared_ptr<net::Exchange> exchange) { serve(app, exchange); }));
  app.server = http.get();
  const std::string scheme = options.insecure_http ? "http" : "https";
  std::cout << "listening on " << scheme << "://"
            << (server.host.find(':') == std::string::npos ? server.host : "[" + server.host + "]") << ":"
            << http->port() << std::endl;
  if (!tls.own.ca_file.empty()) {
    std::cout << "CA file: " << tls.own.ca_file << std::endl;
    std::cout << "CA pin: " << tls.own.pin << std::endl;
  }
  log(Level::info, "started",
      {{"version", FFRTMP_VERSION},
       {"listen", server.host + ":" + std::to_string(http->port())},
       {"database", options.db.substr(0, options.db.find(':'))}});
  ::sd_notify(0, "READY=1\nSTATUS=serving");
  wait_for_signals(app, feed);
  app.server = nullptr;
  return {};
}

int backup(const Options& options, const std::string& path) {
  if (!options.db.starts_with("sqlite:")) {
    std::cerr << "ffrtmp-master: PostgreSQL is backed up with pg_dump or pg_basebackup\n";
    return kUsage;
  }
  if (const Status done = store::backup_sqlite(options.db.substr(7), path); !done) {
    std::cerr << "ffrtmp-master: " << done.error().message() << "\n";
    return kFailed;
  }
  std::cout << "backup: " << path << std::endl;
  return 0;
}

int main(int argc, char** argv) {
  // Before any thread: they all inherit it, and signals come to one place.
  sigset_t mask;
  sigemptyset(&mask);
  for (const int signal : {SIGTERM, SIGINT, SIGHUP}) sigaddset(&mask, signal);
  ::pthread_sigmask(SIG_BLOCK, &mask, nullptr);
  ::signal(SIGPIPE, SIG_IGN);
  ::signal(SIGXFSZ, SIG_IGN);  // a file size limit is an error to answer with, not a reason to die
  ::umask(0077);
  ::mallopt(M_ARENA_MAX, 4);  // an arena a thread would keep memory of thousands of closed connections
  std::string backup_path;
  if (argc >= 2 && std::strcmp(argv[1], "backup") == 0) {
    if (argc < 3) {
      std::cerr << "ffrtmp-master: backup needs a path: ffrtmp-master backup PATH [options]\n";
      return kUsage;
    }
    backup_path = argv[2];
    argv[2] = argv[0];
    argv += 2;
    argc -= 2;
  }
  auto options = read_options(argc, argv);
  if (!options) {
    std::cerr << "ffrtmp-master: " << options.error().message() << "\n";
    return kUsage;
  }
  if (!backup_path.empty()) return backup(*options, backup_path);
  if (options->check) {
    std::cout << "the configuration is right\n";
    return 0;
  }
  if (const Status done = run(*options); !done) {
    std::cerr << "ffrtmp-master: " << done.error().message() << std::endl;
    return kFailed;
  }
  return 0;
}

}  // namespace

}  // namespace ffrtmp::master

int main(int argc, char** argv) { return ffrtmp::master::main(argc, argv); }
