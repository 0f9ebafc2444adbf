#include "agent/sqlite.h"

#include <sqlite3.h>
#include <sys/stat.h>

#include "store/sqlite_values.h"

namespace ffrtmp::agent {

namespace {

int errno_of(int code) {
  switch (code & 0xff) {
    case SQLITE_FULL: return ENOSPC;
    case SQLITE_READONLY:
    case SQLITE_PERM:
    case SQLITE_CANTOPEN: return EACCES;
    case SQLITE_BUSY:
    case SQLITE_LOCKED: return EAGAIN;
    case SQLITE_CONSTRAINT: return EEXIST;
    case SQLITE_CORRUPT:
    case SQLITE_NOTADB: return EUCLEAN;
    case SQLITE_NOMEM: return ENOMEM;
    default: return EIO;
  }
}

}  // namespace

std::unexpected<Error> Sqlite::failed(const char* step, int code) {
  int number = errno_of(code);
  if (number == EIO && db_ && sqlite3_system_errno(db_) == ENOSPC) number = ENOSPC;
  return sys_error(step, path_, number, db_ ? sqlite3_errmsg(db_) : "");
}

Result<std::unique_ptr<Sqlite>> Sqlite::open(const std::string& path) {
  std::unique_ptr<Sqlite> out(new Sqlite(path));
  const int flags = SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE | SQLITE_OPEN_NOMUTEX;
  if (const int code = sqlite3_open_v2(path.c_str(), &out->db_, flags, nullptr); code != SQLITE_OK)
    return out->failed("opening the agent's state", code);
  ::chmod(path.c_str(), 0600);  // it holds what jobs were given, secrets included
  sqlite3_extended_result_codes(out->db_, 1);
  sqlite3_busy_timeout(out->db_, 2000);
  TRY_OK(out->script(
      "PRAGMA journal_mode=WAL; PRAGMA synchronous=FULL; PRAGMA cache_size=-128; PRAGMA mmap_size=0;"
      "PRAGMA wal_autocheckpoint=200; PRAGMA journal_size_limit=1048576; PRAGMA temp_store=MEMORY;"));
  TRY(const store::Rows rows, out->run("PRAGMA quick_check(1)"));
  if (rows.empty() || rows[0][0].s() != "ok")
    return sys_error("checking the agent's state", path, EUCLEAN, rows.empty() ? "" : rows[0][0].s());
  return out;
}

Sqlite::~Sqlite() { sqlite3_close(db_); }

Status Sqlite::script(const char* sql) {
  const int code = sqlite3_exec(db_, sql, nullptr, nullptr, nullptr);
  if (code != SQLITE_OK) return failed("writing the agent's state", code);
  return {};
}

Result<store::Rows> Sqlite::run(std::string_view sql, const std::vector<store::Param>& params) {
  sqlite3_stmt* statement = nullptr;
  int code = sqlite3_prepare_v2(db_, sql.data(), static_cast<int>(sql.size()), &statement, nullptr);
  if (code != SQLITE_OK) return failed("writing the agent's state", code);
  store::bind_values(statement, params);
  store::Rows out;
  const int columns = sqlite3_column_count(statement);
  while ((code = sqlite3_step(statement)) == SQLITE_ROW)
    out.rows.push_back(store::row_of(statement, columns));
  out.changed = sqlite3_changes(db_);
  std::unexpected<Error> error{Error{}};
  if (code != SQLITE_DONE) error = failed("writing the agent's state", code);
  sqlite3_finalize(statement);
  if (code != SQLITE_DONE) return error;
  return out;
}

Status Sqlite::transaction(const std::function<Status()>& body) {
  TRY_OK(script("BEGIN IMMEDIATE"));
  Status done = body();
  if (done) done = script("COMMIT");
  if (!done && sqlite3_get_autocommit(db_) == 0) (void)script("ROLLBACK");
  return done;
}

}  // namespace ffrtmp::agent
