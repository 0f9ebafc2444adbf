#include "store/events.h"

#include "sys/clock.h"
#include "sys/text.h"

namespace ffrtmp::store {

std::string cursor_text(const Cursor& cursor) {
  return std::to_string(cursor.xid) + "-" + std::to_string(cursor.seq);
}

Result<Cursor> parse_cursor(const std::string& text) {
  const auto parts = split(text, '-');
  if (parts.size() == 2) {
    const auto xid = parse_i64(parts[0]), seq = parse_i64(parts[1]);
    if (xid && seq && *xid >= 0 && *seq >= 0) return Cursor{*xid, *seq};
  }
  return bad_input("not a cursor:", text.substr(0, 40), "use an event's id as it was given");
}

Status add_event(Tx& tx, const char* kind, int64_t job_seq, const std::string& node,
                 const std::string& tenant, const std::string& data) {
  return tx.later("INSERT INTO events(at, kind, job_seq, node, tenant, data) VALUES(?1, ?2, ?3, ?4, ?5, ?6)",
                  {tx.now(), std::string(kind), or_null(job_seq), or_null(node), tenant, data});
}

Result<std::vector<Event>> events_after(Tx& tx, const Cursor& cursor, int64_t limit) {
  const char* sql =
      tx.dialect() == Dialect::sqlite
          ? "SELECT 0, seq, at, kind, tenant, data FROM events WHERE seq > ?2 AND ?1 >= 0 ORDER BY seq LIMIT "
            "?3"
          : "SELECT xid, seq, at, kind, tenant, data FROM events WHERE (xid, seq) > (?1, ?2) AND "
            "xid < pg_snapshot_xmin(pg_current_snapshot())::text::bigint ORDER BY xid, seq LIMIT ?3";
  TRY(const Rows rows, tx.run(sql, {cursor.xid, cursor.seq, limit}));
  std::vector<Event> out;
  for (const Row& row : rows)
    out.push_back({{row[0].i(), row[1].i()}, row[2].i(), row[3].s(), row[4].s(), row[5].s()});
  return out;
}

Result<Cursor> newest_event(Tx& tx) {
  const char* sql =
      tx.dialect() == Dialect::sqlite
          ? "SELECT 0, seq FROM events ORDER BY seq DESC LIMIT 1"
          : "SELECT xid, seq FROM events WHERE xid < "
            "pg_snapshot_xmin(pg_current_snapshot())::text::bigint ORDER BY xid DESC, seq DESC LIMIT 1";
  TRY(const Rows rows, tx.run(sql));
  return rows.empty() ? Cursor{} : Cursor{rows[0][0].i(), rows[0][1].i()};
}

Json event_json(const Event& event) {
  Json out;
  out["id"] = cursor_text(event.cursor);
  out["at"] = rfc3339({event.at * 1'000'000});
  out["kind"] = event.kind;
  const auto data = parse_json(event.data, "an event");
  out["data"] = data ? *data : Json::object();
  return out;
}

Result<Json> job_history(Tx& tx, int64_t job_seq, int64_t limit) {
  TRY(const Rows rows,
      tx.run("SELECT seq, at, kind, node, data FROM events WHERE job_seq = ?1 ORDER BY seq LIMIT ?2",
             {job_seq, limit}));
  Json out = Json::array();
  for (const Row& row : rows) {
    Json one = event_json({{0, row[0].i()}, row[1].i(), row[2].s(), "", row[4].s()});
    one.erase("id");
    if (!row[3].null) one["node"] = row[3].s();
    out.push_back(std::move(one));
  }
  return out;
}

}  // namespace ffrtmp::store
