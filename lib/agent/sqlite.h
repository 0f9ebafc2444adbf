#pragma once

#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "store/value.h"
#include "sys/result.h"

struct sqlite3;

namespace ffrtmp::agent {

/// The agent's own database: one connection, which writes through (FULL). Not thread-safe. The master's store
/// is another matter: it serves many, and speaks to PostgreSQL as well.
class Sqlite {
 public:
  /// Opens or makes it, 0600, and checks its integrity. EUCLEAN: it is damaged.
  static Result<std::unique_ptr<Sqlite>> open(const std::string& path);
  ~Sqlite();
  Sqlite(const Sqlite&) = delete;
  Sqlite& operator=(const Sqlite&) = delete;

  Result<store::Rows> run(std::string_view sql, const std::vector<store::Param>& params = {});
  /// All of `body` or nothing; durable when it returns.
  Status transaction(const std::function<Status()>& body);
  Status script(const char* sql);

 private:
  explicit Sqlite(std::string path) : path_(std::move(path)) {}
  std::unexpected<Error> failed(const char* step, int code);

  std::string path_;
  ::sqlite3* db_ = nullptr;
};

}  // namespace ffrtmp::agent
