#include <array>

#include "store/database.h"

namespace ffrtmp::store {

namespace {

struct Step {
  const char* common;
  const char* sqlite;    ///< run after `common`; may be empty
  const char* postgres;  ///< likewise
};

// Steps are never edited once released: a change is a new step.
constexpr std::array kSteps = {
    Step{R"sql(
CREATE TABLE classes(
  id {SERIAL}, fingerprint TEXT NOT NULL UNIQUE, tenant TEXT NOT NULL, queue TEXT NOT NULL,
  priority TEXT NOT NULL, needs TEXT NOT NULL);
CREATE TABLE jobs(
  seq {PK}, id TEXT NOT NULL, class_id BIGINT NOT NULL, state TEXT NOT NULL, hold TEXT NOT NULL DEFAULT '',
  waiting BIGINT NOT NULL DEFAULT 0, type TEXT NOT NULL, tenant TEXT NOT NULL, key_id TEXT NOT NULL,
  queue TEXT NOT NULL, priority TEXT NOT NULL, spec TEXT NOT NULL, attempt BIGINT NOT NULL DEFAULT 0,
  failures BIGINT NOT NULL DEFAULT 0, max_attempts BIGINT NOT NULL, node TEXT, avoid TEXT NOT NULL DEFAULT '',
  lost_on TEXT NOT NULL DEFAULT '', created_at BIGINT NOT NULL, ready_at BIGINT NOT NULL, started_at BIGINT,
  ended_at BIGINT, queue_by BIGINT, offer_until BIGINT, run_by BIGINT, run_left BIGINT,
  run_ms BIGINT, progress_by BIGINT, progress_every BIGINT, patience BIGINT NOT NULL DEFAULT 0, cancel BIGINT NOT NULL DEFAULT 0, reason TEXT, result TEXT, array_id TEXT, spread TEXT);
CREATE INDEX jobs_ready ON jobs(class_id, ready_at, seq) WHERE state = 'queued' AND hold = '' AND waiting = 0;
CREATE INDEX jobs_queued ON jobs(seq) WHERE state = 'queued';
CREATE INDEX jobs_active ON jobs(node, seq) WHERE state IN ('offered', 'running');
CREATE INDEX jobs_bad ON jobs(seq) WHERE state IN ('failed', 'cancelled');
CREATE INDEX jobs_queue_by ON jobs(queue_by) WHERE state = 'queued' AND queue_by IS NOT NULL;
CREATE TABLE attempts(
  job_seq BIGINT NOT NULL, attempt BIGINT NOT NULL, node TEXT NOT NULL, state TEXT NOT NULL,
  nonce TEXT NOT NULL DEFAULT '', offered_at BIGINT NOT NULL, accepted_at BIGINT, ended_at BIGINT,
  outcome TEXT, reason TEXT, result TEXT, progress TEXT, progress_at BIGINT, progress_mark BIGINT,
  PRIMARY KEY(job_seq, attempt)) {WITHOUT_ROWID};
CREATE INDEX attempts_lost ON attempts(node) WHERE state = 'lost';
CREATE TABLE deps(job_seq BIGINT NOT NULL, after_seq BIGINT NOT NULL, PRIMARY KEY(after_seq, job_seq)) {WITHOUT_ROWID};
CREATE TABLE nodes(
  id TEXT PRIMARY KEY, name TEXT NOT NULL, token_hash TEXT NOT NULL, old_token_hash TEXT NOT NULL DEFAULT '',
  old_token_until BIGINT NOT NULL DEFAULT 0, caps TEXT NOT NULL, boot_id TEXT NOT NULL DEFAULT '',
  version TEXT NOT NULL DEFAULT '', join_nonce TEXT NOT NULL DEFAULT '', registered_at BIGINT NOT NULL, updated_at BIGINT NOT NULL,
  last_seen BIGINT NOT NULL, lease_until BIGINT NOT NULL, online BIGINT NOT NULL DEFAULT 1,
  cordoned BIGINT NOT NULL DEFAULT 0, draining BIGINT NOT NULL DEFAULT 0, revoked BIGINT NOT NULL DEFAULT 0,
  note TEXT NOT NULL DEFAULT '', session TEXT NOT NULL DEFAULT '', beat BIGINT NOT NULL DEFAULT 0,
  last_nonce TEXT NOT NULL DEFAULT '', last_grant TEXT NOT NULL DEFAULT '',
  recent_failures TEXT NOT NULL DEFAULT '', metrics TEXT NOT NULL DEFAULT '');
CREATE UNIQUE INDEX nodes_name ON nodes(name);
CREATE TABLE keys(
  id TEXT PRIMARY KEY, name TEXT NOT NULL, role TEXT NOT NULL, tenant TEXT NOT NULL, hash TEXT NOT NULL,
  created_at BIGINT NOT NULL, expires_at BIGINT, revoked_at BIGINT);
CREATE TABLE idempotency(
  key_id TEXT NOT NULL, token TEXT NOT NULL, digest TEXT NOT NULL, answer TEXT NOT NULL, created_at BIGINT NOT NULL,
  PRIMARY KEY(key_id, token)) {WITHOUT_ROWID};
CREATE INDEX idempotency_age ON idempotency(created_at);
CREATE TABLE types(name TEXT PRIMARY KEY, schema TEXT NOT NULL, updated_at BIGINT NOT NULL);
CREATE TABLE files(
  id {SERIAL}, job_seq BIGINT NOT NULL, kind TEXT NOT NULL, name TEXT NOT NULL, attempt BIGINT NOT NULL,
  size BIGINT NOT NULL, sha256 TEXT NOT NULL, received BIGINT NOT NULL DEFAULT 0, state TEXT NOT NULL,
  place TEXT NOT NULL, created_at BIGINT NOT NULL, UNIQUE(job_seq, kind, attempt, name));
CREATE TABLE logs(
  job_seq BIGINT NOT NULL, attempt BIGINT NOT NULL, at BIGINT NOT NULL, data {BLOB} NOT NULL,
  PRIMARY KEY(job_seq, attempt, at)) {WITHOUT_ROWID};
CREATE TABLE webhooks(
  id TEXT PRIMARY KEY, url TEXT NOT NULL, secret TEXT NOT NULL, kinds TEXT NOT NULL, tenant TEXT NOT NULL,
  created_at BIGINT NOT NULL, cursor_xid BIGINT NOT NULL, cursor_seq BIGINT NOT NULL, tries BIGINT NOT NULL DEFAULT 0,
  next_at BIGINT NOT NULL DEFAULT 0, last_error TEXT NOT NULL DEFAULT '', delivered BIGINT NOT NULL DEFAULT 0);
)sql",
         // SQLite has one writer, so the order of events is the order of commits.
         R"sql(
CREATE TABLE counters(name TEXT PRIMARY KEY, value BIGINT NOT NULL);
INSERT INTO counters VALUES('job', 0);
CREATE TABLE events(seq INTEGER PRIMARY KEY AUTOINCREMENT, at BIGINT NOT NULL, kind TEXT NOT NULL, job_seq BIGINT,
  node TEXT, tenant TEXT NOT NULL DEFAULT '', data TEXT NOT NULL);
CREATE INDEX events_job ON events(job_seq, seq) WHERE job_seq IS NOT NULL;
)sql",
         // In PostgreSQL a later number may be committed first. (xid, seq) below the oldest running
         // transaction is an order in which nothing can appear behind a reader's back.
         R"sql(
CREATE SEQUENCE job_seq;
CREATE TABLE events(xid BIGINT NOT NULL DEFAULT (pg_current_xact_id()::text::bigint), seq BIGSERIAL, at BIGINT NOT NULL,
  kind TEXT NOT NULL, job_seq BIGINT, node TEXT, tenant TEXT NOT NULL DEFAULT '', data TEXT NOT NULL,
  PRIMARY KEY(xid, seq));
CREATE INDEX events_job ON events(job_seq, seq) WHERE job_seq IS NOT NULL;
)sql"},
    // Who speaks as a node (lib/queue/session.h). And deps with its key in the order of its columns: SQLite
    // 3.40's quick_check takes the other order, WITHOUT ROWID, for damage.
    Step{R"sql(
ALTER TABLE nodes ADD COLUMN beat_at BIGINT NOT NULL DEFAULT 0;
ALTER TABLE nodes ADD COLUMN former_session TEXT NOT NULL DEFAULT '';
ALTER TABLE nodes ADD COLUMN former_beat BIGINT NOT NULL DEFAULT 0;
ALTER TABLE nodes ADD COLUMN former_words BIGINT NOT NULL DEFAULT 0;
ALTER TABLE nodes ADD COLUMN session_since BIGINT NOT NULL DEFAULT 0;
ALTER TABLE nodes ADD COLUMN refused_session TEXT NOT NULL DEFAULT '';
ALTER TABLE nodes ADD COLUMN rebooted_at BIGINT NOT NULL DEFAULT 0;
CREATE TABLE deps_in_order(after_seq BIGINT NOT NULL, job_seq BIGINT NOT NULL, PRIMARY KEY(after_seq, job_seq)) {WITHOUT_ROWID};
INSERT INTO deps_in_order(after_seq, job_seq) SELECT after_seq, job_seq FROM deps;
DROP TABLE deps;
ALTER TABLE deps_in_order RENAME TO deps;
)sql",
         "", ""},
};

}  // namespace

int64_t schema_version() { return static_cast<int64_t>(kSteps.size()); }

Status migrate(Database& database) {
  return database.write([&](Tx& tx) -> Status {
    if (tx.dialect() == Dialect::postgres)  // two masters may start together
      TRY_OK(tx.run("SELECT pg_advisory_xact_lock(7766554433)"));
    TRY_OK(tx.script("CREATE TABLE IF NOT EXISTS meta(name TEXT PRIMARY KEY, value BIGINT NOT NULL)"));
    TRY(const Rows found, tx.run("SELECT value FROM meta WHERE name = 'schema'"));
    const int64_t have = found.empty() ? 0 : found[0][0].i();
    if (have > schema_version())
      return bad_input("the database has schema", std::to_string(have),
                       "this master knows " + std::to_string(schema_version()) + ": use a newer master");
    for (int64_t at = have; at < schema_version(); at++) {
      const Step& step = kSteps[static_cast<size_t>(at)];
      for (const char* sql : {step.common, tx.dialect() == Dialect::sqlite ? step.sqlite : step.postgres})
        if (*sql != '\0') TRY_OK(tx.script(sql));
    }
    if (have != schema_version())
      TRY_OK(
          tx.run("INSERT INTO meta(name, value) VALUES('schema', ?1) "
                 "ON CONFLICT(name) DO UPDATE SET value = excluded.value",
                 {schema_version()}));
    return {};
  });
}

}  // namespace ffrtmp::store
