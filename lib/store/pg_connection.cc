#include "store/pg_connection.h"

#include <poll.h>

#include <algorithm>
#include <array>
#include <cstring>

#include "store/sql_words.h"
#include "sys/clock.h"
#include "sys/text.h"

namespace ffrtmp::store {

namespace {

// Answers that nobody reads fill the socket's buffers until both ends wait for each other.
constexpr size_t kUnread = 64;
constexpr size_t kStatements = 256;
// Longer than the server's own limits (below), so that it is the server who says so when it can.
constexpr int64_t kPatienceMs = 15'000;
constexpr Oid kBytea = 17, kInt8 = 20, kInt2 = 21, kInt4 = 23, kNumeric = 1700;

int errno_of(std::string_view state) {
  if (state.empty() || state.starts_with("08") || state.starts_with("57P") || state == "40001" ||
      state == "40P01" || state == "25006" || state.starts_with("55P03") || state == "53300" ||
      state == "57014")
    return EAGAIN;  // lost, shutting down, deadlock, a standby: another try may do
  if (state == "53100") return ENOSPC;
  if (state.starts_with("23")) return EEXIST;
  if (state.starts_with("XX")) return EUCLEAN;
  return EPROTO;  // our own SQL is wrong
}

std::string statement_name(const std::string& sql) {
  return "s" + std::to_string(std::hash<std::string>{}(sql));
}

Row read_row(PGresult* result, int row) {
  const int columns = PQnfields(result);
  Row out(static_cast<size_t>(columns));
  for (int c = 0; c < columns; c++) {
    Cell& cell = out[static_cast<size_t>(c)];
    cell.null = PQgetisnull(result, row, c) != 0;
    if (cell.null) continue;
    const std::string_view text(PQgetvalue(result, row, c), static_cast<size_t>(PQgetlength(result, row, c)));
    const Oid type = PQftype(result, c);
    if (type == kBytea) {
      size_t length = 0;
      unsigned char* bytes = PQunescapeBytea(reinterpret_cast<const unsigned char*>(text.data()), &length);
      if (bytes != nullptr) cell.text.assign(reinterpret_cast<char*>(bytes), length);
      PQfreemem(bytes);
    } else if (type == kInt8 || type == kInt4 || type == kInt2 || type == kNumeric) {
      cell.number = parse_i64(text).value_or(0);
    } else {
      cell.text = text;
    }
  }
  return out;
}

}  // namespace

std::unexpected<Error> PgConnection::failed(const char* sqlstate, const char* message) {
  std::string text(trim(message == nullptr ? "" : message));
  if (const size_t line = text.find('\n'); line != std::string::npos) text.resize(line);
  return sys_error("asking PostgreSQL", "", good() ? errno_of(sqlstate == nullptr ? "" : sqlstate) : EAGAIN,
                   text);
}

Status PgConnection::ensure() {
  if (good()) return {};
  close();
  // The URL may override each of these; a fail-over is seen in seconds and a standby is passed over.
  const char* keys[] = {"connect_timeout",  "tcp_user_timeout", "keepalives_idle", "target_session_attrs",
                        "application_name", "client_encoding",  "dbname",          nullptr};
  const char* values[] = {"3", "8000", "5", "read-write", "ffrtmp-master", "UTF8", url_.c_str(), nullptr};
  conn_ = PQconnectdbParams(keys, values, 1);
  if (!good()) {
    std::string why(trim(PQerrorMessage(conn_)));
    if (const size_t line = why.find('\n'); line != std::string::npos) why.resize(line);
    close();
    return sys_error("connecting to PostgreSQL", "", ECONNREFUSED, why);
  }
  if (PQenterPipelineMode(conn_) != 1) return failed("", "no pipeline mode");
  // No sequential scans: every table has an index for what is asked of it. A plan made for a table that was
  // small then would read all of one that has grown since, until somebody analyzes it: on a young queue
  // thirty times the work. No bitmaps: only a plain index scan marks the dead entries that it met, of which a
  // queue's indexes are full. And nothing here runs for as long as compiling it takes.
  for (const char* setting :
       {"SET synchronous_commit = on", "SET statement_timeout = '12s'", "SET lock_timeout = '10s'",
        "SET idle_in_transaction_session_timeout = '60s'", "SET client_min_messages = error",
        "SET enable_seqscan = off", "SET enable_bitmapscan = off", "SET jit = off"})
    TRY_OK(send(setting, {}));
  return flush();
}

void PgConnection::close() {
  if (conn_ != nullptr) PQfinish(conn_);
  conn_ = nullptr;
  prepared_.clear();
  pending_ = 0;
}

Status PgConnection::send(std::string_view sql, const std::vector<Param>& params) {
  if (!good()) return failed("", "the connection is lost");
  if (pending_ >= kUnread) TRY_OK(flush());
  const std::string text = in_dialect(sql, Dialect::postgres);
  const std::string name = statement_name(text);
  if (!prepared_.contains(name) && prepared_.size() < kStatements) {
    if (PQsendPrepare(conn_, name.c_str(), text.c_str(), 0, nullptr) != 1)
      return failed("", PQerrorMessage(conn_));
    pending_++;
    prepared_.insert(name);
  }
  std::array<std::string, 32> numbers;
  std::array<const char*, 32> values{};
  std::array<int, 32> lengths{}, formats{};
  for (size_t i = 0; i < params.size(); i++) {
    if (const auto* number = std::get_if<int64_t>(&params[i])) {
      numbers[i] = std::to_string(*number);
      values[i] = numbers[i].c_str();
    } else if (const auto* value = std::get_if<std::string>(&params[i])) {
      values[i] = value->c_str();
    } else if (const auto* blob = std::get_if<Blob>(&params[i])) {
      values[i] = blob->bytes.data();
      lengths[i] = static_cast<int>(blob->bytes.size());
      formats[i] = 1;
    }
  }
  const int count = static_cast<int>(params.size());
  const int sent =
      prepared_.contains(name)
          ? PQsendQueryPrepared(conn_, name.c_str(), count, values.data(), lengths.data(), formats.data(), 0)
          : PQsendQueryParams(conn_, text.c_str(), count, nullptr, values.data(), lengths.data(),
                              formats.data(), 0);
  if (sent != 1) return failed("", PQerrorMessage(conn_));
  pending_++;
  return {};
}

bool PgConnection::answer_comes(int64_t until_ms) {
  while (PQisBusy(conn_) == 1) {
    const int64_t left = until_ms - monotonic_now().count() / 1'000'000;
    pollfd fd{PQsocket(conn_), POLLIN, 0};
    const int ready = left <= 0 ? 0 : ::poll(&fd, 1, static_cast<int>(left));
    if (ready == 0) return false;
    if (ready > 0 && PQconsumeInput(conn_) != 1) return true;  // lost: the next PQgetResult says so
  }
  return true;
}

Result<std::vector<Rows>> PgConnection::read_results() {
  const int64_t until = monotonic_now().count() / 1'000'000 + kPatienceMs;
  std::vector<Rows> out;
  std::unexpected<Error> error{Error{}};
  bool bad = false;
  for (;;) {
    if (!answer_comes(until)) {
      close();
      return failed("", "it has not answered for 15 seconds");
    }
    PGresult* result = PQgetResult(conn_);
    if (result == nullptr) {
      if (!good()) return failed("", PQerrorMessage(conn_));
      continue;  // the end of one statement's results
    }
    const ExecStatusType status = PQresultStatus(result);
    if (status == PGRES_FATAL_ERROR && !bad) {
      bad = true;
      error = failed(PQresultErrorField(result, PG_DIAG_SQLSTATE), PQresultErrorMessage(result));
    } else if (status == PGRES_TUPLES_OK || status == PGRES_COMMAND_OK) {
      Rows& rows = out.emplace_back();
      for (int r = 0; r < PQntuples(result); r++) rows.rows.push_back(read_row(result, r));
      rows.changed = parse_i64(PQcmdTuples(result)).value_or(0);
    }
    PQclear(result);
    if (status == PGRES_PIPELINE_SYNC) break;
    if (status == PGRES_FATAL_ERROR && !good()) break;
  }
  if (bad) return error;
  return out;
}

Result<std::vector<Rows>> PgConnection::drain() {
  if (PQpipelineSync(conn_) != 1) return failed("", PQerrorMessage(conn_));
  auto out = read_results();
  pending_ = 0;
  if (out || !good()) return out;
  // What was to be prepared after the error was not, and names that survive on the server would clash with a
  // second PREPARE of the same text.
  prepared_.clear();
  for (const char* sql : {"ROLLBACK", "DEALLOCATE ALL"})
    PQsendQueryParams(conn_, sql, 0, nullptr, nullptr, nullptr, nullptr, 0);
  if (PQpipelineSync(conn_) == 1) (void)read_results();
  return out;
}

Result<Rows> PgConnection::run(std::string_view sql, const std::vector<Param>& params) {
  TRY_OK(send(sql, params));
  TRY(auto results, drain());
  return std::move(results.back());
}

Result<std::vector<Rows>> PgConnection::ask(const std::vector<Question>& questions) {
  if (pending_ + 2 * questions.size() > kUnread) TRY_OK(flush());
  std::vector<size_t> places;  // a statement that is new is prepared first, which is a result of its own
  for (const Question& one : questions) {
    TRY_OK(send(one.sql, one.params));
    places.push_back(pending_ - 1);
  }
  TRY(auto results, drain());
  std::vector<Rows> out;
  for (const size_t place : places) out.push_back(std::move(results.at(place)));
  return out;
}

Status PgConnection::flush() {
  if (pending_ == 0) return {};
  TRY_OK(drain());
  return {};
}

Status PgConnection::script(const std::string& sql) {
  TRY_OK(flush());
  PQexitPipelineMode(conn_);
  PGresult* result = PQexec(conn_, in_dialect(sql, Dialect::postgres).c_str());
  const ExecStatusType status = PQresultStatus(result);
  Status out;
  if (status != PGRES_COMMAND_OK && status != PGRES_TUPLES_OK)
    out = failed(PQresultErrorField(result, PG_DIAG_SQLSTATE), PQresultErrorMessage(result));
  PQclear(result);
  PQenterPipelineMode(conn_);
  return out;
}

}  // namespace ffrtmp::store
