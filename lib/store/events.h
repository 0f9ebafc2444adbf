#pragma once

#include <string>
#include <vector>

#include "store/database.h"
#include "sys/json.h"

namespace ffrtmp::store {

/// A place in the order of events: opaque to clients ("xid-seq").
struct Cursor {
  int64_t xid = 0;
  int64_t seq = 0;
  auto operator<=>(const Cursor&) const = default;
};
std::string cursor_text(const Cursor& cursor);
Result<Cursor> parse_cursor(const std::string& text);

struct Event {
  Cursor cursor;
  int64_t at = 0;
  std::string kind;  ///< "job.succeeded", "node.offline", …
  std::string tenant;
  std::string data;  ///< a JSON object
};

/// Appends to the history, in the transaction of the change itself. `data` is a JSON object without secrets.
Status add_event(Tx& tx, const char* kind, int64_t job_seq, const std::string& node,
                 const std::string& tenant, const std::string& data);
/// Events after a cursor, in an order in which nothing can appear behind a reader's back.
Result<std::vector<Event>> events_after(Tx& tx, const Cursor& cursor, int64_t limit);
Result<Cursor> newest_event(Tx& tx);
/// One job's history, oldest first.
Result<Json> job_history(Tx& tx, int64_t job_seq, int64_t limit);
Json event_json(const Event& event);

}  // namespace ffrtmp::store
