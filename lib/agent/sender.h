#pragma once

#include <string>

#include "agent/attempt.h"
#include "agent/link.h"

namespace ffrtmp::agent {

/// What one turn of sending came to.
struct Sent {
  enum class Kind {
    done,     ///< the master has it, or will never want it: it may be forgotten
    more,     ///< a piece has arrived; there are more
    later,    ///< the master cannot be reached, or is busy
    stale,    ///< the attempt is not the job's any more
    broken,   ///< it will never be taken as it is
    missing,  ///< a result whose artifacts the master does not have
    key,      ///< our token is not taken
  };
  Kind kind = Kind::later;
  std::string why;
  Duration retry_after{};
  int64_t log_from = 0, log_at = 0;  ///< of a log: where the next turn goes on
  uint64_t bytes = 0;                ///< that arrived
};

/// A piece of an attempt's log, from where the last one ended: whole lines without secrets, or all that there
/// is when it is the end. What the recorder has cut away is told in a line.
struct LogPiece {
  std::string text;
  int64_t next = 0;  ///< where in the file the piece after this one begins
  bool last = false;
};
LogPiece read_log_piece(const std::string& path, int64_t from, bool ended, size_t most = 256 << 10);

/// How much of a file goes into one request: what the link takes in a few seconds. So a result does not wait
/// long behind a film, and on the slowest link a piece is through before it is given up. Not thread-safe.
class PieceSize {
 public:
  uint64_t bytes() const { return bytes_; }
  void arrived(uint64_t bytes, Duration took);
  void lost();

 private:
  uint64_t bytes_ = 256 << 10;
};

/// Each sends one piece and blocks; for the thread of its link. `folder` is the attempt's.
Sent send_log(Link& link, const Attempt& attempt, const std::string& folder, bool ended);
Sent send_artifact(Link& link, const OutboxItem& item, PieceSize& piece_size);
/// Any thread may set `stop`.
Sent send_put(const OutboxItem& item, const std::string& url, bool allow_inward,
              std::shared_ptr<const std::atomic<bool>> stop);
Sent send_result(Link& link, const std::string& node, const OutboxItem& item);

}  // namespace ffrtmp::agent
