#include <poll.h>
#include <sys/eventfd.h>

#include <atomic>
#include <chrono>
#include <condition_variable>
#include <map>
#include <mutex>
#include <set>
#include <thread>

#include "store/database.h"
#include "store/pg_connection.h"
#include "store/steady_clock.h"
#include "sys/fd.h"
#include "sys/file.h"

namespace ffrtmp::store {

namespace {

// A commit waits for the disk, and the server syncs once for all who wait: how many may wait is how many
// commits a second there are. Opened when they are needed.
constexpr int kConnections = 24;
constexpr int kTries = 4;
constexpr std::chrono::seconds kTakeWait{5};
constexpr int64_t kLeaderLock = 7766554434;
constexpr const char* kClockSql = "SELECT (extract(epoch FROM clock_timestamp()) * 1000)::bigint";

class PgTx final : public Tx {
 public:
  explicit PgTx(PgConnection& connection) : connection_(connection) {}
  Result<Rows> run(std::string_view sql, const std::vector<Param>& params) override {
    heard_ = true;
    return connection_.run(sql, params);
  }
  Result<std::vector<Rows>> ask(const std::vector<Question>& questions) override {
    heard_ = true;
    return connection_.ask(questions);
  }
  Status later(std::string_view sql, const std::vector<Param>& params) override {
    return connection_.send(sql, params);
  }
  Status script(const std::string& sql) override { return connection_.script(sql); }
  Dialect dialect() const override { return Dialect::postgres; }
  Status unhurried() override { return later("SET LOCAL synchronous_commit = off", {}); }
  bool heard() const { return heard_; }

 private:
  PgConnection& connection_;
  bool heard_ = false;  ///< the server has answered, so the connection was not lost before
};

class Postgres final : public Database {
 public:
  ~Postgres() override {
    stopping_ = true;
    ring();
    if (listener_.joinable()) listener_.join();
  }

  Status open(const std::string& url) {
    url_ = url;
    bell_ = Fd(::eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK));
    for (int i = 0; i < kConnections; i++) all_.push_back(std::make_unique<PgConnection>(url));
    for (auto& connection : all_) free_.push_back(connection.get());
    TRY_OK(all_[0]->ensure());
    TRY(const Rows clock, all_[0]->run(kClockSql, {}));
    TRY(const Rows known, all_[0]->run("SELECT 1, "
                                       "(to_regclass('meta') IS NOT NULL)::int::bigint",
                                       {}));
    int64_t floor = 0;
    if (known[0][1].i() == 1) {
      TRY(const Rows seen, all_[0]->run("SELECT value FROM meta WHERE name = 'clock'", {}));
      if (!seen.empty()) floor = seen[0][0].i();
    }
    clock_.start(clock[0][0].i(), floor);
    listener_ = std::thread([this] { listen_loop(); });
    return {};
  }

  Status write(const Body& body) override { return transact(body, "BEGIN"); }
  Status read(const Body& body) override {
    return transact(body, "BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY");
  }
  Dialect dialect() const override { return Dialect::postgres; }
  int64_t now_estimate() override { return clock_.estimate(); }
  bool leading() override { return leading_; }

  void notify(const std::string& channel, const std::string& payload) override {
    {
      const std::lock_guard lock(mutex_);
      outbox_.emplace(channel, payload);
    }
    ring();
  }

  void on_notify(OnNotify listener) override {
    const std::lock_guard lock(mutex_);
    on_notify_ = std::move(listener);
  }

 private:
  Status transact(const Body& body, const char* begin) {
    PgConnection* connection = take();
    if (connection == nullptr)
      return sys_error("asking PostgreSQL", "", EAGAIN, "every connection to it is waiting");
    Status result;
    for (int attempt = 0; attempt < kTries; attempt++) {
      bool committing = false;
      std::vector<std::function<void()>> after;
      result = once(*connection, body, begin, committing, after);
      if (result) {
        give_back(connection);
        for (auto& action : after) action();
        return result;
      }
      if (connection->good()) (void)connection->run("ROLLBACK", {});
      // After a commit was sent nobody knows whether it took: the caller must ask again, and every request
      // that changes something is safe to repeat (nonce, fence, Idempotency-Key).
      if (committing && !connection->good()) break;
      if (fault_of(result.error()) != Fault::unavailable || result.error().errnum == ECONNREFUSED) break;
    }
    if (!connection->good()) connection->close();
    give_back(connection);
    return result;
  }

  Status once(PgConnection& connection, const Body& body, const char* begin, bool& committing,
              std::vector<std::function<void()>>& after) {
    if (!connection.good() && monotonic_now().count() < down_until_.load())
      return sys_error("connecting to PostgreSQL", "", ECONNREFUSED, "it did not answer a moment ago");
    if (auto connected = connection.ensure(); !connected) {
      down_until_ = monotonic_now().count() + 1'000'000'000;
      return connected;
    }
    TRY(const int64_t now, moment(connection));
    TRY_OK(connection.send(begin, {}));
    PgTx tx(connection);
    tx.begin_at(now);
    TRY_OK(body(tx));
    if (!tx.heard()) TRY_OK(connection.flush());
    // With it goes whatever the body sent for later; when that fails, the server passes the COMMIT over.
    committing = true;
    TRY_OK(connection.run("COMMIT", {}));
    after = tx.take_after();
    return {};
  }

  /// The database's clock: it is asked once a second, and followed with our own in between.
  Result<int64_t> moment(PgConnection& connection) {
    const int64_t mono = monotonic_now().count();
    if (mono < ask_clock_at_.load()) return clock_.estimate();
    TRY(const Rows clock, connection.run(kClockSql, {}));
    ask_clock_at_ = mono + 1'000'000'000;
    return clock_.now(clock[0][0].i());
  }

  /// nullptr when none became free in time.
  PgConnection* take() {
    std::unique_lock lock(mutex_);
    if (!freed_.wait_for(lock, kTakeWait, [&] { return !free_.empty(); })) return nullptr;
    PgConnection* connection = free_.back();
    free_.pop_back();
    return connection;
  }

  void give_back(PgConnection* connection) {
    {
      const std::lock_guard lock(mutex_);
      free_.push_back(connection);
    }
    freed_.notify_one();
  }

  void ring() {
    const uint64_t one = 1;
    (void)!::write(bell_.get(), &one, sizeof one);
  }

  /// One connection of its own listens for other masters, tells them, and holds the lock that says who keeps
  /// house: the server drops the lock with the connection. Housekeeping is guarded row by row, so two leaders
  /// for a moment harm nothing.
  void listen_loop() {
    PgConnection connection(url_);
    while (!stopping_) {
      if (!listen_once(connection)) {
        leading_ = false;
        connection.close();
        wait_bell(1000);
      }
    }
  }

  bool listen_once(PgConnection& connection) {
    const bool fresh = !connection.good();
    if (!connection.ensure()) return false;
    if (fresh && !connection.run("LISTEN ffrtmp", {})) return false;
    if (!leading_) {
      const auto lock = connection.run("SELECT pg_try_advisory_lock(?1)::int::bigint", {kLeaderLock});
      if (!lock) return false;
      leading_ = (*lock)[0][0].i() == 1;
    } else if (!connection.run("SELECT 1", {})) {
      return false;
    }
    std::set<std::pair<std::string, std::string>> out;
    OnNotify listener;
    {
      const std::lock_guard lock(mutex_);
      out.swap(outbox_);
      listener = on_notify_;
    }
    for (const auto& [channel, payload] : out)
      if (!connection.send("SELECT pg_notify('ffrtmp', ?1)", {channel + " " + payload})) return false;
    if (!connection.flush()) return false;
    PQconsumeInput(connection.raw());
    while (PGnotify* note = PQnotifies(connection.raw())) {
      const std::string text = note->extra;
      const bool own = note->be_pid == PQbackendPID(connection.raw());
      PQfreemem(note);
      const size_t blank = text.find(' ');
      if (!own && listener && blank != std::string::npos)
        listener(text.substr(0, blank), text.substr(blank + 1));
    }
    // NOTIFY takes a lock over all commits: gather for 20 ms, then tell once.
    wait_bell(2000, PQsocket(connection.raw()));
    if (!stopping_) std::this_thread::sleep_for(std::chrono::milliseconds(20));
    return true;
  }

  void wait_bell(int ms, int socket = -1) {
    pollfd fds[2] = {{bell_.get(), POLLIN, 0}, {socket, POLLIN, 0}};
    ::poll(fds, 2, ms);
    uint64_t count = 0;
    (void)!::read(bell_.get(), &count, sizeof count);
  }

  std::string url_;
  SteadyClock clock_;
  std::vector<std::unique_ptr<PgConnection>> all_;
  std::mutex mutex_;
  std::condition_variable freed_;
  std::vector<PgConnection*> free_;
  std::set<std::pair<std::string, std::string>> outbox_;
  OnNotify on_notify_;
  std::atomic<int64_t> down_until_ = 0, ask_clock_at_ = 0;
  std::atomic<bool> stopping_ = false, leading_ = false;
  Fd bell_;
  std::thread listener_;
};

}  // namespace

Result<std::unique_ptr<Database>> open_postgres(const std::string& url) {
  auto database = std::make_unique<Postgres>();
  TRY_OK(database->open(url));
  return database;
}

}  // namespace ffrtmp::store
