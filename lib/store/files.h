#pragma once

#include "store/claims.h"

namespace ffrtmp::store {

/// An input (attempt 0) or an artifact (of one attempt). Its bytes lie in the blob folder at `place`.
struct File {
  int64_t id = 0, job_seq = 0, attempt = 0, size = 0, received = 0;
  std::string kind, name, sha256, state, place;  ///< state: expected, complete
};
/// ENOENT when there is none.
Result<File> get_file(Tx& tx, int64_t job_seq, const std::string& kind, int64_t attempt,
                      const std::string& name, bool lock);
/// Up to `limit` by attempt and name, those after that attempt and name; of one attempt when `attempt` is not
/// 0.
Result<std::vector<File>> list_files(Tx& tx, int64_t job_seq, const std::string& kind, int64_t attempt,
                                     int64_t after_attempt, const std::string& after_name, int64_t limit);
/// Announces an artifact; the same announcement again is no error. EEXIST when it differs from the first.
Result<File> announce_file(Tx& tx, const File& file);
Status set_received(Tx& tx, const File& file, int64_t received);
/// The digest is right: the file is whole.
Status complete_file(Tx& tx, queue::Board& board, const File& file);
Json file_json(const File& file);

/// Logs are text of one attempt, appended at an offset that the master owns.
struct LogAppend {
  int64_t next = 0;      ///< where the next piece goes
  bool matched = false;  ///< false: the offset was wrong and nothing was written; go on at `next`
  bool full = false;     ///< the cap is reached: nothing more is kept
};
Result<LogAppend> append_log(Tx& tx, int64_t job_seq, int64_t attempt, int64_t offset,
                             const std::string& data, int64_t cap);
/// Up to `limit` bytes from `offset`; attempt 0 means the newest that has any.
struct LogPart {
  int64_t attempt = 0, offset = 0, size = 0;
  std::string data;
};
Result<LogPart> read_log(Tx& tx, int64_t job_seq, int64_t attempt, int64_t offset, int64_t limit);

}  // namespace ffrtmp::store
