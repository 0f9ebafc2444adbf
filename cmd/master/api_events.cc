#include "api.h"
#include "event_feed.h"
#include "store/events.h"

namespace ffrtmp::master {

namespace {

bool may_see(const Principal& who, const store::Event& event) {
  return who.role == "admin" || event.tenant == who.tenant;
}

}  // namespace

Answer events(std::shared_ptr<Call> call) {
  FieldErrors errors;
  check_params(*call, {"after", "limit", "kind"}, errors);
  const int64_t limit = number_param(*call, "limit", 1, 1000, 100, errors).value_or(100);
  const bool live = call->request.header("accept").find("text/event-stream") != std::string::npos;
  std::string after = call->request.param("after").value_or("");
  if (const std::string& last = call->request.header("last-event-id"); !last.empty()) after = last;
  store::Cursor cursor;
  if (!after.empty() && after != "now") {
    const auto parsed = store::parse_cursor(after);
    if (!parsed)
      errors.push_back({"?after", parsed.error().message()});
    else
      cursor = *parsed;
  }
  if (!errors.empty()) return problem(422, "", "the query is not right", errors);
  if (after == "now" || (after.empty() && live)) {
    const Status done = call->app.read([&](store::Tx& tx) -> Status {
      TRY(cursor, store::newest_event(tx));
      return {};
    });
    if (!done) return failure(done.error());
  }
  if (live) {
    net::Response out;
    out.type = "text/event-stream";
    Follower follower;
    follower.cursor = cursor;
    follower.tenant = call->who.role == "admin" ? "" : call->who.tenant;
    follower.every_tenant = call->who.role == "admin";
    follower.kind = call->request.param("kind").value_or("");
    App* app = &call->app;
    out.stream = [app, follower](std::shared_ptr<net::Stream> stream) mutable {
      follower.stream = std::move(stream);
      EventFeed::of(*app).follow(std::move(follower));
    };
    return out;
  }
  Json list = Json::array();
  const std::string kind = call->request.param("kind").value_or("");
  const Status done = call->app.read([&](store::Tx& tx) -> Status {
    list = Json::array();
    TRY(const auto found, store::events_after(tx, cursor, limit));
    for (const auto& event : found) {
      cursor = event.cursor;
      if (may_see(call->who, event) && (kind.empty() || event.kind == kind))
        list.push_back(store::event_json(event));
    }
    return {};
  });
  if (!done) return failure(done.error());
  Json out;
  out["events"] = list;
  out["next"] = store::cursor_text(cursor);
  return json(200, out);
}

}  // namespace ffrtmp::master
