#include "store/files.h"

#include <algorithm>

#include "store/events.h"
#include "sys/text.h"

namespace ffrtmp::store {

namespace {
constexpr const char* kColumns =
    "SELECT id, job_seq, attempt, size, received, kind, name, sha256, state, place FROM files ";
File file_of(const Row& r) {
  return {r[0].i(), r[1].i(), r[2].i(), r[3].i(), r[4].i(), r[5].s(), r[6].s(), r[7].s(), r[8].s(), r[9].s()};
}
}  // namespace

Result<File> get_file(Tx& tx, int64_t job_seq, const std::string& kind, int64_t attempt,
                      const std::string& name, bool lock) {
  std::string sql = std::string(kColumns) + "WHERE job_seq = ?1 AND kind = ?2 AND attempt = ?3 AND name = ?4";
  if (lock) sql += " {LOCK}";
  TRY(const Rows rows, tx.run(sql, {job_seq, kind, attempt, name}));
  if (rows.empty()) return sys_error("no such " + kind + ":", printable(name.substr(0, 80)), ENOENT);
  return file_of(rows[0]);
}

Result<std::vector<File>> list_files(Tx& tx, int64_t job_seq, const std::string& kind, int64_t attempt,
                                     int64_t after_attempt, const std::string& after_name, int64_t limit) {
  TRY(const Rows rows,
      tx.run(std::string(kColumns) +
                 "WHERE job_seq = ?1 AND kind = ?2 AND (?6 = 0 OR attempt = ?6) AND "
                 "(attempt > ?3 OR (attempt = ?3 AND name > ?4)) ORDER BY attempt, name LIMIT ?5",
             {job_seq, kind, after_attempt, after_name, limit, attempt}));
  std::vector<File> out;
  for (const Row& row : rows) out.push_back(file_of(row));
  return out;
}

Result<File> announce_file(Tx& tx, const File& file) {
  TRY_OK(
      tx.run("INSERT INTO files(job_seq, kind, name, attempt, size, sha256, state, place, created_at) "
             "VALUES(?1, ?2, ?3, ?4, ?5, ?6, 'expected', '', ?7) ON CONFLICT(job_seq, kind, attempt, name) "
             "DO NOTHING",
             {file.job_seq, file.kind, file.name, file.attempt, file.size, file.sha256, tx.now()}));
  TRY(const File there, get_file(tx, file.job_seq, file.kind, file.attempt, file.name, true));
  if (there.size != file.size || there.sha256 != file.sha256)
    return sys_error("was announced with another size or digest:", file.name, EEXIST);
  return there;
}

Status set_received(Tx& tx, const File& file, int64_t received) {
  return tx.later("UPDATE files SET received = ?2, place = ?3 WHERE id = ?1",
                  {file.id, received, file.place});
}

Status complete_file(Tx& tx, queue::Board& board, const File& file) {
  TRY_OK(tx.later("UPDATE files SET state = 'complete', received = size, place = ?2 WHERE id = ?1",
                  {file.id, file.place}));
  TRY(const Job job, get_job(tx, file.job_seq, false));
  TRY_OK(add_event(tx, file.kind == "input" ? "job.input_complete" : "job.artifact_complete", job.seq, "",
                   job.tenant, "{\"job\":\"" + job.id + "\",\"name\":" + dump_json(Json(file.name)) + "}"));
  if (file.kind == "input" && job.state == "queued") return count_down(tx, board, job.seq);
  return {};
}

Json file_json(const File& file) {
  Json out;
  out["name"] = file.name;
  if (file.attempt != 0) out["attempt"] = file.attempt;
  out["size"] = file.size;
  out["sha256"] = file.sha256;
  out["received"] = file.state == "complete" ? file.size : file.received;
  out["state"] = file.state;
  return out;
}

Result<LogAppend> append_log(Tx& tx, int64_t job_seq, int64_t attempt, int64_t offset,
                             const std::string& data, int64_t cap) {
  TRY(const Rows rows,
      tx.run("SELECT at, length(data) FROM logs WHERE job_seq = ?1 AND attempt = ?2 ORDER BY at DESC LIMIT 1",
             {job_seq, attempt}));
  LogAppend out;
  out.next = rows.empty() ? 0 : rows[0][0].i() + rows[0][1].i();
  out.full = out.next >= cap;
  out.matched = offset == out.next;
  if (!out.matched || out.full || data.empty()) return out;
  const std::string part = data.substr(0, static_cast<size_t>(cap - out.next));
  TRY_OK(tx.run("INSERT INTO logs(job_seq, attempt, at, data) VALUES(?1, ?2, ?3, ?4)",
                {job_seq, attempt, offset, Blob{part}}));
  out.next += static_cast<int64_t>(part.size());
  out.full = out.next >= cap;
  return out;
}

Result<LogPart> read_log(Tx& tx, int64_t job_seq, int64_t attempt, int64_t offset, int64_t limit) {
  LogPart out;
  out.attempt = attempt;
  out.offset = offset;
  if (attempt == 0) {
    TRY(const Rows newest, tx.run("SELECT max(attempt) FROM logs WHERE job_seq = ?1", {job_seq}));
    if (newest.empty() || newest[0][0].null) return out;
    out.attempt = newest[0][0].i();
  }
  TRY(const Rows end,
      tx.run("SELECT at, length(data) FROM logs WHERE job_seq = ?1 AND attempt = ?2 ORDER BY at DESC LIMIT 1",
             {job_seq, out.attempt}));
  if (!end.empty()) out.size = end[0][0].i() + end[0][1].i();
  TRY(const Rows rows, tx.run("SELECT at, data FROM logs WHERE job_seq = ?1 AND attempt = ?2 AND at < ?3 AND "
                              "at + length(data) > ?4 ORDER BY at LIMIT 256",
                              {job_seq, out.attempt, offset + limit, offset}));
  for (const Row& row : rows) {
    const int64_t skip = std::max<int64_t>(0, offset + static_cast<int64_t>(out.data.size()) - row[0].i());
    if (static_cast<size_t>(skip) < row[1].s().size())
      out.data += row[1].s().substr(static_cast<size_t>(skip));
    if (static_cast<int64_t>(out.data.size()) >= limit) break;
  }
  if (static_cast<int64_t>(out.data.size()) > limit) out.data.resize(static_cast<size_t>(limit));
  return out;
}

}  // namespace ffrtmp::store
