#pragma once

#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "store/value.h"
#include "sys/result.h"

namespace ffrtmp::store {

enum class Dialect { sqlite, postgres };

/// A statement with its parameters.
struct Question {
  std::string_view sql;
  std::vector<Param> params;
};

/// One transaction. SQL is written once for both databases: parameters are ?1, ?2, …; a few words in braces
/// differ by dialect (see sql_words.h). Valid only inside the function it was given to. Not thread-safe.
class Tx {
 public:
  virtual ~Tx() = default;

  /// Runs a statement and gives its rows. Errors: see `fault_of`.
  virtual Result<Rows> run(std::string_view sql, const std::vector<Param>& params = {}) = 0;
  /// Runs statements in their order and gives the rows of each. None depends on another one's rows, so that
  /// PostgreSQL answers them in one round trip; each still sees what was committed before it began, and that
  /// is after the one before it had its locks.
  virtual Result<std::vector<Rows>> ask(const std::vector<Question>& questions) = 0;
  /// Runs a statement whose rows nobody needs. PostgreSQL sends it with the next `run` or the commit, so that
  /// many cost one round trip; an error surfaces there and undoes the whole transaction.
  virtual Status later(std::string_view sql, const std::vector<Param>& params = {}) = 0;
  /// Runs several statements without parameters (migrations).
  virtual Status script(const std::string& sql) = 0;
  virtual Dialect dialect() const = 0;
  /// What is written here will be said again soon, so that its commit need not wait for the disk: others see
  /// it at once, and only a crash of the database's host can lose it. (SQLite syncs once for all who wait,
  /// and makes no difference.)
  virtual Status unhurried() = 0;

  /// The database's clock when the transaction began: milliseconds since 1970. Never runs backwards within a
  /// process, whatever happens to the wall clock.
  int64_t now() const { return now_; }
  /// Runs after the commit is durable; not at all when the transaction is undone.
  void after_commit(std::function<void()> action) { after_.push_back(std::move(action)); }

  void begin_at(int64_t now) { now_ = now; }
  std::vector<std::function<void()>> take_after() { return std::move(after_); }

 private:
  int64_t now_ = 0;
  std::vector<std::function<void()>> after_;
};

using Body = std::function<Status(Tx&)>;
/// A message that another master sent: channel and payload.
using OnNotify = std::function<void(const std::string& channel, const std::string& payload)>;

/// What went wrong, in the terms that an API answers with.
enum class Fault { none, unavailable, full, read_only, duplicate, corrupt, other };
Fault fault_of(const Error& error);

/// One database, opened. All members are thread-safe.
class Database {
 public:
  virtual ~Database() = default;

  /// Runs `body` in a read-write transaction and returns when the commit is durable. An error of the body
  /// undoes it and is returned. `body` may run more than once (after a lost race or connection), so it must
  /// only touch what it can set again. It must not call the database recursively.
  virtual Status write(const Body& body) = 0;
  /// Runs `body` on one consistent, read-only snapshot.
  virtual Status read(const Body& body) = 0;

  virtual Dialect dialect() const = 0;
  /// The database's clock, outside a transaction, without asking it (good to a second or two).
  virtual int64_t now_estimate() = 0;
  /// Tells the other masters; never blocks on them. SQLite has none: it does nothing.
  virtual void notify(const std::string& channel, const std::string& payload) = 0;
  virtual void on_notify(OnNotify listener) = 0;
  /// True when this process is the one that keeps house (retention, timers). SQLite: always.
  virtual bool leading() = 0;
};

/// "sqlite:PATH" or "postgres://…" (also "postgresql://…"). Opens, checks integrity, migrates forward.
Result<std::unique_ptr<Database>> open_database(const std::string& url);

Result<std::unique_ptr<Database>> open_sqlite(const std::string& path);
Result<std::unique_ptr<Database>> open_postgres(const std::string& url);
/// A consistent copy of a SQLite database that a master may be writing to at this moment: it reads, never
/// writes or checkpoints. The copy appears under its name when it is whole.
Status backup_sqlite(const std::string& from, const std::string& to);

/// Brings the schema forward to this program's version; refuses a newer one. One transaction a step.
Status migrate(Database& database);
/// The schema version this program writes.
int64_t schema_version();

}  // namespace ffrtmp::store
