#include "queue/rules.h"

#include <doctest/doctest.h>

#include "queue/board.h"
#include "queue/order.h"
#include "queue/spec.h"

using namespace ffrtmp;
using namespace ffrtmp::queue;

TEST_CASE("a fence takes what is current, adopts what was lost, and refuses the rest") {
  const Fence running{"running", 2, "running", "n1"};
  CHECK(receive(running, "n1", 2, true) == Reception::accept);
  CHECK(receive(running, "n1", 2, false) == Reception::accept);
  CHECK(receive(running, "n2", 2, true) == Reception::stale);
  CHECK(receive({"running", 2, "lost", "n1"}, "n1", 1, true) == Reception::adopt);
  CHECK(receive({"queued", 1, "lost", "n1"}, "n1", 1, true) == Reception::adopt);
  CHECK(receive({"running", 2, "lost", "n1"}, "n1", 1, false) == Reception::stale);
  CHECK(receive({"succeeded", 2, "lost", "n1"}, "n1", 1, true) == Reception::stale);
  CHECK(receive({"cancelled", 1, "running", "n1"}, "n1", 1, true) == Reception::stale);
  CHECK(receive({"running", 2, "withdrawn", "n1"}, "n1", 1, true) == Reception::stale);
  CHECK(receive({"succeeded", 1, "succeeded", "n1"}, "n1", 1, true) == Reception::duplicate);
  CHECK(receive({"succeeded", 1, "succeeded", "n1"}, "n1", 1, false) == Reception::stale);
  CHECK(receive({"running", 2, "", ""}, "n1", 9, true) == Reception::stale);
}

TEST_CASE("what a node fails by its own fault speaks against it, and its refusals do not") {
  for (const char* one : {"node", "network", "stall", "unknown"})
    CHECK_MESSAGE(speaks_against_node(one), one);
  for (const char* one : {"capability", "resource", "input", "parameters"})
    CHECK_MESSAGE(!speaks_against_node(one), one);
  // Another node would cure it: that is what speaks against this one.
  for (const auto& one : failure_classes())
    CHECK_MESSAGE((!speaks_against_node(one) || worth_retrying(one)), one);
}

TEST_CASE("backoff doubles, is capped, and keeps at least half") {
  const Backoff backoff{1000, 8000};
  CHECK(backoff_ms(backoff, 1, 0) == 500);
  CHECK(backoff_ms(backoff, 2, 0.999999) == 1999);
  CHECK(backoff_ms(backoff, 4, 0) == 4000);
  CHECK(backoff_ms(backoff, 1'000'000, 0) == 4000);
}

TEST_CASE("the four timers are told apart") {
  CHECK(due("offered", {100, 0, 0, 0}, 99) == Due::nothing);
  CHECK(due("offered", {100, 0, 0, 0}, 100) == Due::offer);
  CHECK(due("running", {0, 50, 40, 60}, 55) == Due::lease);
  CHECK(due("running", {0, 0, 40, 60}, 55) == Due::progress);
  CHECK(due("running", {0, 0, 40, 60}, 60) == Due::run);
  CHECK(due("queued", {1, 1, 1, 1}, 60) == Due::nothing);
}

TEST_CASE("order: level, then share, then age; neglect raises a class and service does not") {
  const ClassView live{1, "a", "live", "low", 1000, 0}, batch{2, "a", "batch", "high", 0, 0};
  CHECK(before(live, {}, batch, {}, 2000));
  ClassView old = batch;
  CHECK(level(old, kAgeStepMs * 20) == 8);
  old.last_grant = kAgeStepMs * 20;
  CHECK(level(old, kAgeStepMs * 20) == 2);
  const ClassView b{3, "b", "default", "medium", 5, 0}, c{4, "c", "default", "medium", 1, 0};
  CHECK(before(b, {1, 1}, c, {2, 1}, 10));
  CHECK(before(c, {2, 3}, b, {1, 1}, 10));  // two in flight for a weight of three is less
  CHECK(before(c, {1, 1}, b, {1, 1}, 10));
}

TEST_CASE("needs are matched with every constraint named") {
  FieldErrors errors;
  const auto caps = read_caps(
      Json::parse(R"({"cores":2,"types":["t"],"labels":{"zone":"a"},"tools":["ffmpeg"]})"), "", errors);
  Needs needs;
  needs.type = "t";
  needs.millicores = 1500;
  needs.labels = {{"zone", "a"}};
  CHECK(unmet(needs, caps, "n").empty());
  needs.millicores = 2500;
  needs.gpu = true;
  needs.labels = {{"zone", "b"}};
  needs.tools = {"exiftool"};
  CHECK(unmet(needs, caps, "n").size() == 4);
  CHECK(errors.empty());
  CHECK(dump_json(needs_json(needs_from(needs_json(needs)))) == dump_json(needs_json(needs)));
}

TEST_CASE("a node beside something ready is woken by what leaves it, and by nothing that leaves another") {
  Board board;
  NodeCaps caps;
  caps.max_jobs = 1;
  const auto shared = std::make_shared<const NodeCaps>(caps);
  Free free;
  free.slots = 1;
  Needs needs;
  board.add_class(1, "t", "default", "medium", needs);
  int woken = 0;
  const auto park = [&](const char* node) {
    return board.wait(node, shared, free, board.news(node), [&] { woken++; });
  };
  park("a");
  board.freed("t", "a", 1);
  CHECK(woken == 0);  // nothing is ready
  board.ready(1, 0, 1, 0);
  CHECK(woken == 0);
  board.freed("t", "b", 1);
  CHECK(woken == 0);
  board.freed("t", "a", 1);
  CHECK(woken == 1);
  CHECK(board.waiting() == 0);
  // What left it between its look and its wait is news, to itself alone.
  const int64_t before_a = board.news("a"), before_b = board.news("b");
  board.freed("t", "a", 1);
  CHECK(board.news("a") != before_a);
  CHECK(board.news("b") == before_b);
  CHECK(board.wait("a", shared, free, before_a, [&] { woken++; }) == 0);
  CHECK(woken == 2);
  // A poll that took the place of another is the node's, and leaving the older one changes nothing.
  const auto older = park("a");
  park("a");
  board.leave(older);
  board.freed("t", "a", 1);
  CHECK(woken == 3);
  CHECK(board.waiting() == 0);
}

TEST_CASE("what leaves a tenant with a limit wakes whoever can take its next job") {
  Board board;
  board.set_tenants({{"t", {1, 1}}});
  board.add_class(1, "t", "default", "medium", {});
  const auto caps = std::make_shared<const NodeCaps>();
  Free free;
  free.slots = 1;
  int woken = 0;
  board.ready(1, 0, 1, 0);
  board.wait("other", caps, free, board.news("other"), [&] { woken++; });
  board.freed("t", "a", 1);
  CHECK(woken == 1);
}

TEST_CASE("names of files stay names") {
  for (const char* good : {"a", "out.mp4", "seg 1.ts", "ä.mkv"}) CHECK_MESSAGE(plain_name(good), good);
  for (const char* bad : {"", ".", "..", "a/b", "../x", ".hid", "-rf", "a\\b", "a\nb", "\x80"})
    CHECK_MESSAGE(!plain_name(bad), bad);
}

TEST_CASE("secrets in documents are hidden by name and by shape") {
  const auto shown = dump_json(redacted(Json::parse(
      R"({"params":{"stream_key":"AAA","deep":[{"token":"BBB"}],"u":"rtmp://h/app/CCC"},"input":"https://u:DDD@h/x?sig=EEE"})")));
  for (const char* secret : {"AAA", "BBB", "CCC", "DDD", "EEE"})
    CHECK_MESSAGE(shown.find(secret) == std::string::npos, shown);
}
