#pragma once

#include <libpq-fe.h>

#include <string>
#include <unordered_set>

#include "store/database.h"

namespace ffrtmp::store {

/// One connection to PostgreSQL in pipeline mode. Used by one thread at a time.
class PgConnection {
 public:
  explicit PgConnection(std::string url) : url_(std::move(url)) {}
  PgConnection(const PgConnection&) = delete;
  PgConnection& operator=(const PgConnection&) = delete;
  ~PgConnection() { close(); }

  /// Connects unless connected. Errors: ECONNREFUSED when nobody answers within three seconds.
  Status ensure();
  void close();
  bool good() const { return conn_ != nullptr && PQstatus(conn_) == CONNECTION_OK; }

  /// Sends without waiting. The answer is read (and its error seen) by the next `run` or `flush`.
  Status send(std::string_view sql, const std::vector<Param>& params);
  Result<Rows> run(std::string_view sql, const std::vector<Param>& params);
  Result<std::vector<Rows>> ask(const std::vector<Question>& questions);
  /// Waits for everything that was sent.
  Status flush();
  /// Several statements in one string; leaves pipeline mode for it.
  Status script(const std::string& sql);
  PGconn* raw() { return conn_; }

 private:
  Result<std::vector<Rows>> drain();
  /// Reads all results up to the pipeline's next sync: each statement's rows, or the first error.
  Result<std::vector<Rows>> read_results();
  /// False when nothing came in time: the server is there and does not answer (it hangs, or a firewall
  /// between us swallows packets), which libpq itself would wait for without end.
  bool answer_comes(int64_t until_ms);
  std::unexpected<Error> failed(const char* sqlstate, const char* message);

  std::string url_;
  PGconn* conn_ = nullptr;
  std::unordered_set<std::string> prepared_;
  size_t pending_ = 0;
};

}  // namespace ffrtmp::store
