#include <fcntl.h>
#include <semaphore.h>
#include <sqlite3.h>
#include <sys/stat.h>

#include <condition_variable>
#include <deque>
#include <mutex>
#include <unordered_map>
#include <utility>

#include "store/database.h"
#include "store/sql_words.h"
#include "store/sqlite_values.h"
#include "store/steady_clock.h"
#include "sys/file.h"

namespace ffrtmp::store {

namespace {

// Debian 12's SQLite 3.40.1 can corrupt a WAL when two connections write or checkpoint at the same moment
// (fixed in 3.51.3). So exactly one connection of this process may do either; the readers are opened
// read-only and never checkpoint, and a lock file keeps other masters out.
constexpr size_t kBatch = 256;
constexpr int kReaders = 3;
constexpr size_t kStatements = 256;

int errno_of(int code) {
  switch (code & 0xff) {
    case SQLITE_FULL: return ENOSPC;
    case SQLITE_READONLY:
    case SQLITE_PERM: return EROFS;
    case SQLITE_BUSY:
    case SQLITE_LOCKED: return EAGAIN;
    case SQLITE_CONSTRAINT: return EEXIST;
    case SQLITE_CORRUPT:
    case SQLITE_NOTADB: return EUCLEAN;
    case SQLITE_IOERR: return EIO;
    default: return EPROTO;  // our own SQL is wrong
  }
}

/// One connection with its prepared statements. Used by one thread at a time.
class Connection {
 public:
  Connection() = default;
  Connection(const Connection&) = delete;
  Connection& operator=(const Connection&) = delete;
  ~Connection() { close(); }

  Status open(const std::string& path, int flags) {
    path_ = path;
    if (const int code = sqlite3_open_v2(path.c_str(), &db_, flags | SQLITE_OPEN_NOMUTEX, nullptr);
        code != SQLITE_OK)
      return failed("opening the database", code);
    sqlite3_busy_timeout(db_, 5000);
    sqlite3_extended_result_codes(db_, 1);
    return {};
  }

  void close() {
    forget();
    sqlite3_close(db_);
    db_ = nullptr;
  }

  std::unexpected<Error> failed(const char* step, int code) {
    // A quota or a file size limit is an I/O error to SQLite; to us it is a full disk.
    int number = errno_of(code);
    if (number == EIO && db_ != nullptr)
      for (const int file : {SQLITE_FCNTL_FILE_POINTER, SQLITE_FCNTL_JOURNAL_POINTER})
        if (const int last = last_errno(file); last == ENOSPC || last == EFBIG || last == EDQUOT)
          number = ENOSPC;
    if (number == EPROTO && db_ == nullptr) number = ENOMEM;
    return sys_error(step, path_, number, db_ == nullptr ? "" : sqlite3_errmsg(db_));
  }

  Status exec(const char* sql) {
    const int code = sqlite3_exec(db_, sql, nullptr, nullptr, nullptr);
    if (code != SQLITE_OK) return failed("running SQL in", code);
    return {};
  }

  Result<Rows> run(std::string_view sql, const std::vector<Param>& params) {
    TRY(sqlite3_stmt * statement, prepared(sql));
    bind_values(statement, params);
    Rows out;
    const int columns = sqlite3_column_count(statement);
    int code = 0;
    while ((code = sqlite3_step(statement)) == SQLITE_ROW) out.rows.push_back(row_of(statement, columns));
    std::unexpected<Error> error{Error{}};
    if (code == SQLITE_DONE)
      out.changed = columns > 0 ? static_cast<int64_t>(out.rows.size()) : sqlite3_changes(db_);
    else
      error = failed("running SQL in", code);
    sqlite3_reset(statement);
    sqlite3_clear_bindings(statement);
    if (code != SQLITE_DONE) return error;
    return out;
  }

  sqlite3* raw() { return db_; }

 private:
  /// The errno of the last failed call on the database's file, or on its WAL.
  int last_errno(int which) {
    sqlite3_file* file = nullptr;
    int out = 0;
    if (sqlite3_file_control(db_, "main", which, &file) == SQLITE_OK && file != nullptr &&
        file->pMethods != nullptr)
      file->pMethods->xFileControl(file, SQLITE_FCNTL_LAST_ERRNO, &out);
    return out;
  }

  void forget() {
    for (auto& [sql, statement] : statements_) sqlite3_finalize(statement);
    statements_.clear();
  }

  Result<sqlite3_stmt*> prepared(std::string_view sql) {
    key_.assign(sql);
    if (const auto found = statements_.find(key_); found != statements_.end()) return found->second;
    if (statements_.size() >= kStatements) forget();
    const std::string text = in_dialect(sql, Dialect::sqlite);
    sqlite3_stmt* statement = nullptr;
    const int code = sqlite3_prepare_v3(db_, text.c_str(), static_cast<int>(text.size()),
                                        SQLITE_PREPARE_PERSISTENT, &statement, nullptr);
    if (code != SQLITE_OK) return failed("preparing SQL for", code);
    statements_.emplace(key_, statement);
    return statement;
  }

  std::string path_;
  std::string key_;
  sqlite3* db_ = nullptr;
  std::unordered_map<std::string, sqlite3_stmt*> statements_;
};

/// EUCLEAN with the first complaint when the file is damaged.
Status check_integrity(Connection& connection, const std::string& path) {
  // The quick check sees false damage in some sound tables of SQLite 3.40 (WITHOUT ROWID, the key in another
  // order than the columns): the thorough one has the last word.
  for (const char* check : {"PRAGMA quick_check(1)", "PRAGMA integrity_check(1)"}) {
    TRY(const Rows rows, connection.run(check, {}));
    if (!rows.empty() && rows[0][0].s() == "ok") return {};
    if (std::string_view(check).starts_with("PRAGMA quick")) continue;
    return sys_error("checking the database", path, EUCLEAN,
                     (rows.empty() ? "" : rows[0][0].s() + "; ") + "restore a backup (docs/OPERATIONS.md)");
  }
  return {};
}

class SqliteTx final : public Tx {
 public:
  explicit SqliteTx(Connection& connection) : connection_(connection) {}
  Result<Rows> run(std::string_view sql, const std::vector<Param>& params) override {
    return connection_.run(sql, params);
  }
  Result<std::vector<Rows>> ask(const std::vector<Question>& questions) override {
    std::vector<Rows> out;
    for (const Question& one : questions) {
      TRY(Rows rows, connection_.run(one.sql, one.params));
      out.push_back(std::move(rows));
    }
    return out;
  }
  Status later(std::string_view sql, const std::vector<Param>& params) override {
    TRY_OK(connection_.run(sql, params));
    return {};
  }
  Status script(const std::string& sql) override {
    return connection_.exec(in_dialect(sql, Dialect::sqlite).c_str());
  }
  Dialect dialect() const override { return Dialect::sqlite; }
  Status unhurried() override { return {}; }

 private:
  Connection& connection_;
};

/// A body that waits, on its caller's stack, to be committed or to commit for all who wait. A semaphore of
/// the C library: libstdc++'s own spins and yields before it sleeps, which was a tenth of a busy master's
/// time.
struct Work {
  explicit Work(const Body& what) : body(&what) { ::sem_init(&turn, 0, 0); }
  ~Work() { ::sem_destroy(&turn); }
  Work(const Work&) = delete;
  Work& operator=(const Work&) = delete;
  void wait() {
    while (::sem_wait(&turn) != 0) continue;
  }

  const Body* body;
  Status result;
  std::vector<std::function<void()>> after;
  bool done = false;  ///< written before `turn` is posted; false then: its caller leads
  sem_t turn;
};

class Sqlite final : public Database {
 public:
  ~Sqlite() override {
    {
      std::unique_lock lock(mutex_);
      stopping_ = true;
      idle_.wait(lock, [&] { return !leading_; });
    }
    for (auto& reader : readers_) reader.reset();
    (void)writer_.exec("PRAGMA wal_checkpoint(TRUNCATE)");
    writer_.close();
  }

  Status open(const std::string& path) {
    path_ = path;
    TRY_OK(lock_out_others());
    TRY_OK(writer_.open(path, SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE));
    // SQLite opens what it may not write for reading, and says so at the first write.
    if (sqlite3_db_readonly(writer_.raw(), "main") == 1)
      return sys_error("opening the database to write to it:", path, EROFS, "it can only be read");
    ::chmod(path.c_str(), 0600);  // it holds hashes of keys, and parameters with stream keys
    TRY_OK(check_integrity(writer_, path));
    TRY_OK(
        writer_.exec("PRAGMA journal_mode=WAL; PRAGMA synchronous=FULL; PRAGMA foreign_keys=OFF;"
                     "PRAGMA wal_autocheckpoint=2000; PRAGMA cache_size=-65536; PRAGMA temp_store=MEMORY;"
                     "PRAGMA mmap_size=0; PRAGMA journal_size_limit=67108864;"));
    for (int i = 0; i < kReaders; i++) {
      auto reader = std::make_unique<Connection>();
      TRY_OK(reader->open(path, SQLITE_OPEN_READONLY));
      TRY_OK(reader->exec("PRAGMA query_only=1; PRAGMA mmap_size=0; PRAGMA cache_size=-16384;"));
      sqlite3_db_config(reader->raw(), SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, 1, nullptr);
      readers_.push_back(std::move(reader));
      free_.push_back(readers_.back().get());
    }
    // The clock starts no earlier than the last moment that the database remembers.
    const auto seen = writer_.run("SELECT value FROM meta WHERE name = 'clock'", {});
    clock_.start(wall_ms(), seen && !seen->empty() ? (*seen)[0][0].i() : 0);
    return {};
  }

  Status write(const Body& body) override {
    Work work(body);
    bool lead = false;
    {
      const std::lock_guard lock(mutex_);
      if (stopping_) return sys_error("writing to", path_, EAGAIN, "the master is stopping");
      queue_.push_back(&work);
      lead = !std::exchange(leading_, true);
    }
    // Whoever finds nobody at work commits for all who came meanwhile: no thread is woken for one alone.
    if (!lead) work.wait();
    if (!work.done) commit_for_all(work);
    if (work.result)
      for (auto& action : work.after) action();
    return std::move(work.result);
  }

  Status read(const Body& body) override {
    Connection* reader = nullptr;
    {
      std::unique_lock lock(mutex_);
      reader_free_.wait(lock, [&] { return !free_.empty(); });
      reader = free_.back();
      free_.pop_back();
    }
    SqliteTx tx(*reader);
    tx.begin_at(clock_.now(wall_ms()));
    Status result = reader->exec("BEGIN");
    if (result) {
      result = body(tx);
      (void)reader->exec("COMMIT");
    }
    {
      const std::lock_guard lock(mutex_);
      free_.push_back(reader);
    }
    reader_free_.notify_one();
    return result;
  }

  Dialect dialect() const override { return Dialect::sqlite; }
  int64_t now_estimate() override { return clock_.now(wall_ms()); }
  void notify(const std::string&, const std::string&) override {}
  void on_notify(OnNotify) override {}
  bool leading() override { return true; }

 private:
  Status lock_out_others() {
    TRY(lock_, open_at(AT_FDCWD, path_ + ".lock", O_RDWR | O_CREAT));
    struct flock whole {};
    whole.l_type = F_WRLCK;
    whole.l_whence = SEEK_SET;
    if (::fcntl(lock_.get(), F_OFD_SETLK, &whole) != 0)
      return bad_input("another master uses the database", path_,
                       "stop it, or use PostgreSQL for several masters");
    return {};
  }

  /// Commits `own`, which is the first in the queue, with all that wait behind it, and hands the lead on.
  void commit_for_all(Work& own) {
    std::vector<Work*> batch;
    {
      const std::lock_guard lock(mutex_);
      while (!queue_.empty() && batch.size() < kBatch) {
        batch.push_back(queue_.front());
        queue_.pop_front();
      }
    }
    commit_group(batch);
    Work* next = nullptr;
    {
      const std::lock_guard lock(mutex_);
      if (!queue_.empty()) next = queue_.front();
      leading_ = next != nullptr;
      if (!leading_) idle_.notify_all();
    }
    if (next != nullptr) ::sem_post(&next->turn);
    for (Work* work : batch) {
      work->done = true;
      if (work != &own) ::sem_post(&work->turn);  // it may be gone from here on
    }
  }

  /// One transaction, one sync, for everybody who waits: what makes FULL affordable. Each body stands in a
  /// savepoint of its own, so that one that fails takes nobody with it.
  void commit_group(const std::vector<Work*>& batch) {
    Status begun = writer_.exec("BEGIN IMMEDIATE");
    if (!begun) {
      for (Work* work : batch) work->result = begun;
      return;
    }
    const int64_t now = clock_.now(wall_ms());
    bool any = false;
    for (Work* work : batch) {
      SqliteTx tx(writer_);
      tx.begin_at(now);
      Status result;
      if (auto saved = writer_.run("SAVEPOINT one", {}); !saved) result = std::unexpected(saved.error());
      if (result) result = (*work->body)(tx);
      if (!result && sqlite3_get_autocommit(writer_.raw()) == 0) (void)writer_.run("ROLLBACK TO one", {});
      if (sqlite3_get_autocommit(writer_.raw()) == 0) (void)writer_.run("RELEASE one", {});
      any |= result.has_value();
      work->result = std::move(result);
      work->after = tx.take_after();
    }
    Status committed;
    if (sqlite3_get_autocommit(writer_.raw()) != 0) {
      // A full disk or an I/O error makes SQLite roll the whole transaction back by itself.
      committed = sys_error("writing to", path_, EAGAIN, "the transaction was undone");
      for (Work* work : batch)
        if (!work->result && fault_of(work->result.error()) != Fault::other) committed = work->result;
    } else {
      if (any) remember_clock(now);
      committed = writer_.exec("COMMIT");
      if (!committed && sqlite3_get_autocommit(writer_.raw()) == 0) (void)writer_.exec("ROLLBACK");
    }
    if (!committed)
      for (Work* work : batch)
        if (work->result) work->result = committed;
  }

  void remember_clock(int64_t now) {
    if (now - clock_saved_ < 10'000) return;
    if (writer_.run("INSERT INTO meta(name, value) VALUES('clock', ?1) "
                    "ON CONFLICT(name) DO UPDATE SET value = excluded.value",
                    {now}))
      clock_saved_ = now;
  }

  std::string path_;
  Fd lock_;
  Connection writer_;
  std::vector<std::unique_ptr<Connection>> readers_;
  SteadyClock clock_;
  int64_t clock_saved_ = 0;

  std::mutex mutex_;
  std::condition_variable idle_, reader_free_;
  std::deque<Work*> queue_;
  bool leading_ = false;  ///< somebody commits; false: the queue is empty
  std::vector<Connection*> free_;
  bool stopping_ = false;
};

}  // namespace

Result<std::unique_ptr<Database>> open_sqlite(const std::string& path) {
  if (path.empty()) return bad_input("no path in", "sqlite:", "give sqlite:PATH");
  auto database = std::make_unique<Sqlite>();
  TRY_OK(database->open(path));
  return database;
}

Status backup_sqlite(const std::string& from, const std::string& to) {
  const std::string temp = to + ".tmp" + std::to_string(::getpid());
  const Status copied = [&]() -> Status {
    Connection source;
    TRY_OK(source.open(from, SQLITE_OPEN_READONLY));
    sqlite3_db_config(source.raw(), SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, 1, nullptr);
    Connection target;
    TRY_OK(target.open(temp, SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE));
    ::chmod(temp.c_str(), 0600);
    sqlite3_backup* copy = sqlite3_backup_init(target.raw(), "main", source.raw(), "main");
    if (copy == nullptr) return target.failed("starting the backup to", SQLITE_ERROR);
    // All pages in one step: the read transaction makes it one moment, and WAL lets the master write on
    // meanwhile.
    const int code = sqlite3_backup_step(copy, -1);
    sqlite3_backup_finish(copy);
    if (code != SQLITE_DONE) return target.failed("copying the database to", code);
    TRY_OK(target.exec("PRAGMA journal_mode=DELETE"));
    return check_integrity(target, to);
  }();
  if (copied && ::rename(temp.c_str(), to.c_str()) == 0) return {};
  const Status failed = copied ? Status(sys_error("renaming to", to)) : copied;
  ::unlink(temp.c_str());
  return failed;
}

}  // namespace ffrtmp::store
