#include "agent/state.h"

#include <fcntl.h>
#include <stdio.h>
#include <unistd.h>

#include "sys/clock.h"
#include "sys/file.h"

namespace ffrtmp::agent {

namespace {

constexpr int64_t kSchema = 1;
constexpr const char* kTables =
    "CREATE TABLE IF NOT EXISTS meta(name TEXT PRIMARY KEY, value TEXT NOT NULL) WITHOUT ROWID;"
    "CREATE TABLE IF NOT EXISTS attempts(job TEXT NOT NULL, attempt INTEGER NOT NULL, step TEXT NOT NULL,"
    " wish TEXT NOT NULL, wish_reason TEXT NOT NULL, run_id TEXT NOT NULL UNIQUE, queue TEXT NOT NULL,"
    " priority TEXT NOT NULL, spec TEXT NOT NULL, boot_id TEXT NOT NULL, log_from INTEGER NOT NULL,"
    " log_at INTEGER NOT NULL, granted_at INTEGER NOT NULL, PRIMARY KEY(job, attempt)) WITHOUT ROWID;"
    "CREATE TABLE IF NOT EXISTS outbox(id INTEGER PRIMARY KEY AUTOINCREMENT, job TEXT NOT NULL,"
    " attempt INTEGER NOT NULL, kind TEXT NOT NULL, body TEXT NOT NULL);";

Result<Fd> lock_out_others(const std::string& state_dir) {
  TRY(Fd fd, open_at(AT_FDCWD, state_dir + "/lock", O_RDWR | O_CREAT, 0600));
  struct flock whole {};
  whole.l_type = F_WRLCK;
  whole.l_whence = SEEK_SET;
  // Of the open file, not of the process: it ends with the last who has it, which is us (close-on-exec).
  if (::fcntl(fd.get(), F_OFD_SETLK, &whole) != 0)
    return bad_input("another agent uses the state folder", state_dir,
                     "stop that one, or give this one its own --state-dir");
  return fd;
}

Result<std::unique_ptr<Sqlite>> open_tables(const std::string& path) {
  TRY(auto db, Sqlite::open(path));
  TRY_OK(db->script(kTables));
  TRY(const store::Rows rows, db->run("SELECT value FROM meta WHERE name = 'schema'"));
  if (rows.empty()) {
    TRY_OK(db->run("INSERT INTO meta(name, value) VALUES('schema', ?1)", {std::to_string(kSchema)}));
  } else if (rows[0][0].s() != std::to_string(kSchema)) {
    return bad_input("the agent's state was written by another version of it:", path,
                     "start that version (state schema " + rows[0][0].s() + "), drain it, then change");
  }
  return db;
}

Attempt attempt_of(const store::Row& row) {
  Attempt out;
  out.job = row[0].s();
  out.number = row[1].i();
  out.step = step_named(row[2].s());
  out.wish = wish_named(row[3].s());
  out.wish_reason = row[4].s();
  out.run_id = row[5].s();
  out.queue = row[6].s();
  out.priority = row[7].s();
  if (auto spec = parse_json(row[8].s(), "a job"); spec && spec->is_object()) out.spec = std::move(*spec);
  out.boot_id = row[9].s();
  out.log_from = row[10].i();
  out.log_at = row[11].i();
  out.granted_at = row[12].i();
  return out;
}

}  // namespace

Result<State> State::open(const std::string& state_dir) {
  TRY(Fd lock, lock_out_others(state_dir));
  const std::string path = state_dir + "/agent.db";
  auto db = open_tables(path);
  std::string aside;
  if (!db && db.error().errnum == EUCLEAN) {
    const std::string why = db.error().message();
    const std::string name = path + ".damaged-" + std::to_string(wall_now().ns / 1'000'000'000);
    // Its log first: a new database must not find the log of the old one.
    for (const char* end : {"-wal", "-shm"})
      if (::rename((path + end).c_str(), (name + end).c_str()) != 0 && errno != ENOENT)
        return sys_error("setting aside", path + end);
    if (::rename(path.c_str(), name.c_str()) != 0) return sys_error("setting aside", path);
    aside = "set aside as " + name + ": " + why;
    db = open_tables(path);
  }
  if (!db) return std::unexpected(db.error());
  State out(std::move(lock), std::move(*db));
  out.set_aside_ = std::move(aside);
  return out;
}

std::vector<Attempt> State::attempts() const {
  std::vector<Attempt> out;
  const auto rows = db_->run(
      "SELECT job, attempt, step, wish, wish_reason, run_id, queue, priority, spec, boot_id, log_from, "
      "log_at, "
      "granted_at FROM attempts ORDER BY granted_at, job, attempt");
  if (rows)
    for (const auto& row : *rows) out.push_back(attempt_of(row));
  return out;
}

Status State::add(const std::vector<Attempt>& attempts, const std::string& next_nonce) {
  return db_->transaction([&]() -> Status {
    for (const auto& a : attempts)
      TRY_OK(db_->run(
          "INSERT OR IGNORE INTO attempts VALUES(?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13)",
          {a.job, a.number, std::string(step_name(a.step)), std::string(wish_name(a.wish)), a.wish_reason,
           a.run_id, a.queue, a.priority, dump_json(a.spec), a.boot_id, a.log_from, a.log_at, a.granted_at}));
    if (!next_nonce.empty()) TRY_OK(set_value("nonce", next_nonce));
    return {};
  });
}

Status State::save(const Attempt& a) {
  TRY_OK(
      db_->run("UPDATE attempts SET step = ?3, wish = ?4, wish_reason = ?5, boot_id = ?6, log_from = ?7, "
               "log_at = ?8, queue = ?9, priority = ?10 WHERE job = ?1 AND attempt = ?2",
               {a.job, a.number, std::string(step_name(a.step)), std::string(wish_name(a.wish)),
                a.wish_reason, a.boot_id, a.log_from, a.log_at, a.queue, a.priority}));
  return {};
}

Status State::end(const Attempt& attempt, const std::vector<OutboxItem>& items) {
  return db_->transaction([&]() -> Status {
    TRY_OK(save(attempt));
    TRY_OK(db_->run("DELETE FROM outbox WHERE job = ?1 AND attempt = ?2", {attempt.job, attempt.number}));
    for (const auto& item : items)
      TRY_OK(db_->run("INSERT INTO outbox(job, attempt, kind, body) VALUES(?1, ?2, ?3, ?4)",
                      {attempt.job, attempt.number, item.kind, dump_json(item.body)}));
    return {};
  });
}

Status State::remove(const Attempt& attempt) {
  return db_->transaction([&]() -> Status {
    TRY_OK(db_->run("DELETE FROM outbox WHERE job = ?1 AND attempt = ?2", {attempt.job, attempt.number}));
    TRY_OK(db_->run("DELETE FROM attempts WHERE job = ?1 AND attempt = ?2", {attempt.job, attempt.number}));
    return {};
  });
}

std::vector<OutboxItem> State::outbox() const {
  std::vector<OutboxItem> out;
  const auto rows = db_->run("SELECT id, job, attempt, kind, body FROM outbox ORDER BY id");
  if (!rows) return out;
  for (const auto& row : *rows) {
    OutboxItem item{row[0].i(), row[1].s(), row[2].i(), row[3].s(), Json::object()};
    if (auto body = parse_json(row[4].s(), "what is to be told"); body && body->is_object())
      item.body = std::move(*body);
    out.push_back(std::move(item));
  }
  return out;
}

uint64_t State::outbox_bytes() const {
  const auto rows = db_->run("SELECT coalesce(sum(length(body)), 0) FROM outbox");
  return rows && !rows->empty() ? static_cast<uint64_t>((*rows)[0][0].i()) : 0;
}

Status State::outbox_done(int64_t id) {
  TRY_OK(db_->run("DELETE FROM outbox WHERE id = ?1", {id}));
  return {};
}

Status State::outbox_replace(int64_t id, const Json& body) {
  TRY_OK(db_->run("UPDATE outbox SET body = ?2 WHERE id = ?1", {id, dump_json(body)}));
  return {};
}

Status State::outbox_only_result(const Attempt& attempt, const Json& body) {
  return end(attempt, {{0, attempt.job, attempt.number, "result", body}});
}

std::string State::value(const std::string& name) const {
  const auto rows = db_->run("SELECT value FROM meta WHERE name = ?1", {name});
  return rows && !rows->empty() ? (*rows)[0][0].s() : "";
}

Status State::set_value(const std::string& name, const std::string& value) {
  TRY_OK(db_->run(
      "INSERT INTO meta(name, value) VALUES(?1, ?2) ON CONFLICT(name) DO UPDATE SET value = excluded.value",
      {name, value}));
  return {};
}

}  // namespace ffrtmp::agent
