#include <fcntl.h>
#include <sys/stat.h>

#include "api.h"
#include "net/digest.h"
#include "queue/spec.h"
#include "queue/state.h"
#include "store/files.h"
#include "sys/file.h"
#include "sys/redact.h"
#include "sys/text.h"

namespace ffrtmp::master {

namespace {

// Bytes are written and synced before the database says that they were received, so the database never
// promises more than the disk holds; a piece that was written and not recorded is written again at the same
// place.
std::string place_of(const store::File& file) {
  return std::to_string(file.job_seq / 1000) + "/" + std::to_string(file.job_seq) + "-" +
         file.kind.substr(0, 1) + std::to_string(file.attempt) + "-" + std::to_string(file.id);
}

Result<Fd> open_place(const App& app, const std::string& place) {
  const std::string path = app.options.blob_dir + "/" + place;
  TRY_OK(make_dirs(path.substr(0, path.rfind('/')), 0700));
  return open_at(AT_FDCWD, path, O_RDWR | O_CREAT | O_NOFOLLOW);
}

Status write_at(int fd, std::string_view data, int64_t offset) {
  while (!data.empty()) {
    const ssize_t wrote = ::pwrite(fd, data.data(), data.size(), offset);
    if (wrote < 0 && errno == EINTR) continue;
    if (wrote < 0) return sys_error("writing an upload", "");
    data.remove_prefix(static_cast<size_t>(wrote));
    offset += wrote;
  }
  if (::fdatasync(fd) != 0) return sys_error("syncing an upload", "");
  return {};
}

Result<std::string> digest_of(int fd) {
  net::Sha256 sum;
  std::string buffer(1 << 18, '\0');
  int64_t at = 0;
  for (;;) {
    const ssize_t got = ::pread(fd, buffer.data(), buffer.size(), at);
    if (got < 0 && errno == EINTR) continue;
    if (got < 0) return sys_error("reading an upload", "");
    if (got == 0) return sum.finish_hex();
    sum.add({buffer.data(), static_cast<size_t>(got)});
    at += got;
  }
}

/// The job, when the caller may touch its files: its tenant, an admin, or a node that has or had an attempt
/// of it.
Result<store::Job> job_for_files(store::Tx& tx, const Call& call, bool lock) {
  if (call.who.role != "node") return store::get_job(tx, call.path[0], call.who.caller(), lock);
  TRY(store::Job job, store::get_job(tx, call.path[0], store::Caller{"", "", true}, lock));
  TRY(const store::Rows mine,
      tx.run("SELECT 1 FROM attempts WHERE job_seq = ?1 AND node = ?2 LIMIT 1", {job.seq, call.who.id}));
  if (mine.empty()) return sys_error("no such job:", call.path[0], ENOENT);
  return job;
}

/// The fence of a node that writes: EBUSY when the attempt is not one that may still win.
Result<int64_t> fenced_attempt(store::Tx& tx, const Call& call, const store::Job& job) {
  const auto text = call.request.param("attempt");
  const auto attempt = text ? parse_i64(*text) : std::nullopt;
  if (!attempt) return sys_error("give ?attempt=N", "", EINVAL);
  TRY(const store::Rows rows,
      tx.run("SELECT state, node FROM attempts WHERE job_seq = ?1 AND attempt = ?2", {job.seq, *attempt}));
  const std::string state = rows.empty() || rows[0][1].s() != call.who.id ? "" : rows[0][0].s();
  if (state == "running" || state == "lost") return *attempt;
  return sys_error("the attempt is over:", job.id, EBUSY,
                   "the job is " + job.state + ", attempt " + std::to_string(job.attempt));
}

int64_t attempt_param(const Call& call) {
  const auto text = call.request.param("attempt");
  return text ? parse_i64(*text).value_or(0) : 0;
}

/// The attempt whose files are the job's; 0 while none has succeeded.
Result<int64_t> winner_of(store::Tx& tx, int64_t job_seq) {
  TRY(const store::Rows rows,
      tx.run("SELECT max(attempt) FROM attempts WHERE job_seq = ?1 AND state = 'succeeded'", {job_seq}));
  return rows.empty() || rows[0][0].null ? 0 : rows[0][0].i();
}

/// Of a job that has succeeded, the winner's: others may have left files of the same names, whole or in part.
Answer list_of(const std::shared_ptr<Call>& call, const char* kind) {
  const bool artifacts = std::string_view(kind) == "artifact";
  FieldErrors errors;
  std::vector<std::string> known{"limit", "cursor"};
  if (artifacts) known.emplace_back("attempt");
  check_params(*call, known, errors);
  const auto asked = number_param(*call, "attempt", 1, INT32_MAX, 0, errors);
  const auto limit = static_cast<size_t>(number_param(*call, "limit", 1, 1000, 1000, errors).value_or(1000));
  // ATTEMPT/NAME of the last one.
  const std::string cursor = call->request.param("cursor").value_or("0/");
  const size_t slash = cursor.find('/');
  const auto after = slash == std::string::npos ? std::nullopt : parse_i64(cursor.substr(0, slash));
  if (!after) errors.push_back({"?cursor", "is none of ours"});
  if (!errors.empty()) return problem(422, "", "the query is not right", errors);
  Json out;
  const Status done = call->app.read([&](store::Tx& tx) -> Status {
    TRY(const store::Job job, job_for_files(tx, *call, false));
    int64_t attempt = *asked;
    if (artifacts && attempt == 0) {
      TRY(attempt, winner_of(tx, job.seq));
    }
    TRY(auto files, store::list_files(tx, job.seq, kind, attempt, *after, cursor.substr(slash + 1),
                                      static_cast<int64_t>(limit) + 1));
    out["next"] = nullptr;
    if (files.size() > limit) {
      files.resize(limit);
      out["next"] = std::to_string(files.back().attempt) + "/" + files.back().name;
    }
    Json list = Json::array();
    for (const auto& file : files) list.push_back(store::file_json(file));
    out["files"] = list;
    return {};
  });
  if (!done) return failure(done.error());
  return json(200, out);
}

/// One range or the whole. "bytes=100-", "bytes=0-99", "bytes=-5".
bool range_of(const std::string& header, uint64_t size, uint64_t& from, uint64_t& count) {
  from = 0;
  count = size;
  if (!header.starts_with("bytes=") || header.find(',') != std::string::npos) return true;
  const auto parts = split(std::string_view(header).substr(6), '-');
  if (parts.size() != 2) return true;
  const auto first = parse_u64(parts[0]), last = parse_u64(parts[1]);
  if (parts[0].empty() && last) {
    from = size - std::min(size, *last);
  } else if (first) {
    if (*first >= size) return false;
    from = *first;
    if (last) {
      count = std::min(size, *last + 1) - from;
      return *last >= *first;
    }
  }
  count = size - from;
  return true;
}

Answer send_file(const std::shared_ptr<Call>& call, const char* kind) {
  if (!queue::plain_name(call->path[1])) return problem(404, "", "no such file");
  store::File file;
  const Status done = call->app.read([&](store::Tx& tx) -> Status {
    TRY(const store::Job job, job_for_files(tx, *call, false));
    int64_t attempt = attempt_param(*call);
    if (attempt == 0 && std::string_view(kind) == "artifact") {
      TRY(attempt, winner_of(tx, job.seq));
      if (attempt == 0) attempt = job.attempt;
    }
    TRY(file, store::get_file(tx, job.seq, kind, attempt, call->path[1], false));
    return {};
  });
  if (!done) return failure(done.error());
  if (file.state != "complete") return problem(409, "", "the file has not arrived yet");
  auto opened = open_at(AT_FDCWD, call->app.options.blob_dir + "/" + file.place, O_RDONLY | O_NOFOLLOW);
  if (!opened) return problem(500, "", "the file is missing on the master's disk");
  net::Response out;
  uint64_t from = 0, count = 0;
  if (!range_of(call->request.header("range"), static_cast<uint64_t>(file.size), from, count)) {
    out = problem(416, "");
    out.headers.emplace_back("Content-Range", "bytes */" + std::to_string(file.size));
    return out;
  }
  if (count != static_cast<uint64_t>(file.size)) {
    out.status = 206;
    out.headers.emplace_back("Content-Range", "bytes " + std::to_string(from) + "-" +
                                                  std::to_string(from + count - 1) + "/" +
                                                  std::to_string(file.size));
  }
  out.type = "application/octet-stream";
  out.headers.emplace_back("Accept-Ranges", "bytes");
  out.headers.emplace_back("X-Content-SHA256", file.sha256);
  out.headers.emplace_back("ETag", "\"" + file.sha256 + "\"");
  out.file = std::make_shared<Fd>(std::move(*opened));
  out.file_offset = from;
  out.file_size = count;
  return out;
}

/// One piece of an upload. The offset must be where the file ends now; a wrong one is answered with the right
/// one.
Answer take_piece(const std::shared_ptr<Call>& call, const char* kind) {
  if (!queue::plain_name(call->path[1]))
    return problem(422, "", "the name is not right", {{"name", "must be a plain file name"}});
  const auto offset = parse_i64(call->request.header("upload-offset"));
  if (!offset || *offset < 0)
    return problem(422, "", "an upload needs Upload-Offset", {{"Upload-Offset", "must be a number"}});
  const bool artifact = std::string_view(kind) == "artifact";
  store::File file;
  const auto load = [&](store::Tx& tx) -> Status {
    TRY(const store::Job job, job_for_files(tx, *call, false));
    int64_t attempt = 0;
    if (artifact) {
      TRY(attempt, fenced_attempt(tx, *call, job));
    }
    TRY(file, store::get_file(tx, job.seq, kind, attempt, call->path[1], true));
    return {};
  };
  if (const Status done = call->app.db->write(load); !done) return failure(done.error());
  const auto wrong = [&](const char* why) {
    net::Response out = problem(409, "", why);
    out.headers.emplace_back("Upload-Offset", std::to_string(file.received));
    return out;
  };
  if (file.state == "complete") return json(200, store::file_json(file));
  if (*offset != file.received) return wrong("the upload goes on at another offset");
  const auto& piece = call->request.body;
  if (*offset + static_cast<int64_t>(piece.size()) > file.size)
    return wrong("the piece goes beyond the announced size");
  if (file.place.empty()) file.place = place_of(file);
  auto fd = open_place(call->app, file.place);
  if (!fd) return failure(fd.error());
  if (const Status wrote = write_at(fd->get(), piece, *offset); !wrote) return failure(wrote.error());
  const int64_t received = *offset + static_cast<int64_t>(piece.size());
  std::string refused;
  if (received == file.size) {
    if (::ftruncate(fd->get(), file.size) != 0) return failure(sys_error("cutting an upload", "").error());
    auto digest = digest_of(fd->get());
    if (!digest) return failure(digest.error());
    if (*digest != file.sha256) refused = *digest;
  }
  const Status done = call->app.write([&](store::Tx& tx) -> Status {
    const std::string place = file.place;
    TRY_OK(load(tx));
    if (file.state == "complete") return {};
    // Two senders at once: the one that was recorded first wins, the other is told where to go on.
    if (file.received != *offset) return sys_error("the upload went on meanwhile:", file.name, EBUSY);
    file.place = place;
    if (!refused.empty()) return store::set_received(tx, file, 0);
    if (received < file.size) return store::set_received(tx, file, received);
    return store::complete_file(tx, call->app.board, file);
  });
  if (!done) return failure(done.error());
  if (!refused.empty()) {
    (void)::ftruncate(fd->get(), 0);
    return problem(422, "", "the digest is wrong: " + refused + "; the upload starts anew",
                   {{"sha256", "does not fit the bytes"}});
  }
  file.received = received;
  if (received == file.size) file.state = "complete";
  net::Response out = json(200, store::file_json(file));
  out.headers.emplace_back("Upload-Offset", std::to_string(received));
  return out;
}

}  // namespace

Answer list_inputs(std::shared_ptr<Call> call) { return list_of(call, "input"); }
Answer list_artifacts(std::shared_ptr<Call> call) { return list_of(call, "artifact"); }
Answer get_input(std::shared_ptr<Call> call) { return send_file(call, "input"); }
Answer get_artifact(std::shared_ptr<Call> call) { return send_file(call, "artifact"); }
Answer put_input(std::shared_ptr<Call> call) { return take_piece(call, "input"); }
Answer put_artifact(std::shared_ptr<Call> call) { return take_piece(call, "artifact"); }

Answer announce_artifact(std::shared_ptr<Call> call) {
  net::Response refused;
  const auto body = body_json(*call, refused);
  if (!body) return refused;
  FieldErrors errors;
  ObjectReader in(*body, "", errors);
  store::File file;
  file.kind = "artifact";
  file.name = call->path[1];
  file.size = in.whole("size", 0, call->app.options.most_artifact_bytes, -1);
  file.sha256 = in.text("sha256", 64, 64);
  in.done();
  if (file.size < 0) in.missing("size");
  if (!queue::plain_name(file.name)) errors.push_back({"name", "must be a plain file name"});
  if (!file.sha256.empty() && !queue::is_sha256(file.sha256))
    in.error("sha256", "must be 64 lower-case hex digits");
  if (!errors.empty()) return problem(422, "", "the announcement is not right", errors);
  store::File there;
  const Status done = call->app.write([&](store::Tx& tx) -> Status {
    TRY(const store::Job job, job_for_files(tx, *call, true));
    TRY(file.attempt, fenced_attempt(tx, *call, job));
    file.job_seq = job.seq;
    TRY(there, store::announce_file(tx, file));
    if (there.size == 0 && there.state != "complete" && there.sha256 == net::sha256_hex("")) {
      there.place = place_of(there);
      TRY_OK(open_place(call->app, there.place));
      TRY_OK(store::complete_file(tx, call->app.board, there));
      there.state = "complete";
    }
    return {};
  });
  if (!done) return failure(done.error());
  net::Response out = json(200, store::file_json(there));
  out.headers.emplace_back("Upload-Offset",
                           std::to_string(there.state == "complete" ? there.size : there.received));
  return out;
}

namespace {
/// Cuts a piece of log to whole lines, so that no secret is torn in two and slips past the redaction. What an
/// attempt that still runs has not finished writing comes with the next read.
void whole_lines(store::LogPart& part, int64_t offset, bool growing) {
  if (offset > 0 && !part.data.empty()) {
    const size_t line = part.data[0] == '\n' ? 0 : part.data.find('\n');
    const size_t skip = line == std::string::npos ? part.data.size() : line + 1;
    part.data.erase(0, skip);
    part.offset += static_cast<int64_t>(skip);
  }
  const bool more = part.offset + static_cast<int64_t>(part.data.size()) < part.size;
  if (!growing && !more) return;
  // A line of more than the limit is given in pieces all the same: to stand still would be worse.
  if (const size_t last = part.data.rfind('\n'); last != std::string::npos)
    part.data.resize(last + 1);
  else if (!more)
    part.data.clear();
}
}  // namespace

Answer get_logs(std::shared_ptr<Call> call) {
  FieldErrors errors;
  check_params(*call, {"offset", "limit", "attempt"}, errors);
  const auto offset = number_param(*call, "offset", 0, INT64_MAX / 2, 0, errors);
  const auto limit = number_param(*call, "limit", 1, 4 << 20, 1 << 20, errors);
  const auto attempt = number_param(*call, "attempt", 1, INT32_MAX, 0, errors);
  if (!errors.empty()) return problem(422, "", "the query is not right", errors);
  store::LogPart part;
  std::string state;
  bool growing = false;
  const Status done = call->app.read([&](store::Tx& tx) -> Status {
    TRY(const store::Job job, store::get_job(tx, call->path[0], call->who.caller()));
    state = job.state;
    // One byte more in front: it tells whether the offset is the start of a line.
    TRY(part, store::read_log(tx, job.seq, *attempt, std::max<int64_t>(0, *offset - 1), *limit + 1));
    growing = queue::active(job.state) && part.attempt == job.attempt;
    return {};
  });
  if (!done) return failure(done.error());
  whole_lines(part, *offset, growing);
  net::Response out;
  out.type = "text/plain; charset=utf-8";
  out.headers.emplace_back("X-Log-Attempt", std::to_string(part.attempt));
  out.headers.emplace_back("X-Log-Next",
                           std::to_string(part.offset + static_cast<int64_t>(part.data.size())));
  out.headers.emplace_back("X-Log-Size", std::to_string(part.size));
  out.headers.emplace_back("X-Job-State", state);
  // Workloads print the URLs that they open.
  out.body = redact_text(part.data);
  return out;
}

Answer put_logs(std::shared_ptr<Call> call) {
  FieldErrors errors;
  check_params(*call, {"offset", "attempt"}, errors);
  const auto offset = number_param(*call, "offset", 0, INT64_MAX / 2, 0, errors);
  if (!errors.empty()) return problem(422, "", "the query is not right", errors);
  store::LogAppend out;
  const Status done = call->app.db->write([&](store::Tx& tx) -> Status {
    TRY(const store::Job job, job_for_files(tx, *call, false));
    TRY(const int64_t attempt, fenced_attempt(tx, *call, job));
    TRY(out, store::append_log(tx, job.seq, attempt, *offset, call->request.body,
                               call->app.options.log_cap_bytes));
    return {};
  });
  if (!done) return failure(done.error());
  Json body;
  body["next"] = out.next;
  body["full"] = out.full;
  if (!out.matched) {
    net::Response refused = problem(409, "", "the log goes on at another offset");
    Json merged = Json::parse(refused.body);
    merged.update(body);
    refused.body = dump_json(merged) + "\n";
    return refused;
  }
  return json(200, body);
}

}  // namespace ffrtmp::master
