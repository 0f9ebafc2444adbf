// One suite, run against both databases: SQLite always, PostgreSQL when FFRTMP_TEST_POSTGRES names one
// (tests/master/run does).
#include <doctest/doctest.h>
#include <unistd.h>

#include <cstdlib>
#include <filesystem>
#include <set>
#include <thread>

#include "queue/rules.h"
#include "store/claims.h"
#include "store/events.h"
#include "store/files.h"
#include "store/nodes.h"
#include "store/sql_words.h"
#include "store/sweep.h"

using namespace ffrtmp;
using namespace ffrtmp::store;

namespace {

std::vector<std::string> backends() {
  std::vector<std::string> out{"sqlite"};
  if (const char* url = ::getenv("FFRTMP_TEST_POSTGRES"); url != nullptr) out.emplace_back(url);
  return out;
}

struct Fixture {
  explicit Fixture(const std::string& backend) {
    std::string url = backend;
    if (backend == "sqlite") {
      char name[] = "/tmp/ffrtmp-conformance-XXXXXX";
      folder = ::mkdtemp(name);
      url = "sqlite:" + folder + "/q.db";
    }
    auto opened = open_database(url);
    if (!opened) MESSAGE(opened.error().message());
    REQUIRE(opened);
    db = std::move(*opened);
    // The same database serves all cases of PostgreSQL: start from nothing.
    const Status emptied = db->write([](Tx& tx) -> Status {
      for (const char* table :
           {"jobs", "attempts", "events", "nodes", "deps", "files", "logs", "classes", "keys"})
        TRY_OK(tx.run(std::string("DELETE FROM ") + table));
      return {};
    });
    REQUIRE(emptied);
  }
  ~Fixture() {
    db.reset();
    if (!folder.empty()) std::filesystem::remove_all(folder);
  }
  std::vector<Submitted> submit(int count, const char* extra = "{}") {
    FieldErrors errors;
    Json json = Json::parse(extra);
    json["type"] = "t";
    std::vector<queue::JobSpec> specs(static_cast<size_t>(count), queue::read_spec(json, "", errors));
    REQUIRE(errors.empty());
    std::vector<Submitted> out;
    const Status done = db->write([&](Tx& tx) -> Status {
      TRY(out, insert_jobs(tx, board, specs, caller));
      return {};
    });
    if (!done) MESSAGE(done.error().message());
    REQUIRE(done);
    return out;
  }
  void node(const std::string& id) {
    Registration in;
    in.name = id, in.caps = R"({"cores":64,"max_jobs":64})", in.token_hash = "x", in.nonce = "n",
    in.lease = 60'000;
    REQUIRE(db->write([&](Tx& tx) -> Status {
      TRY(const Node made, register_node(tx, id, in));
      return made.id == id ? Status{} : sys_error("id", "");
    }));
  }
  Result<Claimed> take(const std::string& node, int64_t most, const std::string& nonce = "") {
    Claim in;
    in.node = node, in.free.slots = 64, in.free.millicores = 64'000, in.most = most, in.nonce = nonce,
    in.lease = 60'000;
    Result<Claimed> out;
    const Status done = db->write([&](Tx& tx) -> Status {
      out = claim(tx, board, in);
      return out ? Status{} : std::unexpected(out.error());
    });
    if (!done) return std::unexpected(done.error());
    return out;
  }
  template <class Act>
  auto in_write(Act act) {
    decltype(act(std::declval<Tx&>())) out;
    const Status done = db->write([&](Tx& tx) -> Status {
      out = act(tx);
      return out ? Status{} : std::unexpected(out.error());
    });
    if (!done) MESSAGE(done.error().message());
    REQUIRE(done);
    return *out;
  }
  std::string folder;
  std::unique_ptr<Database> db;
  queue::Board board;
  Caller caller{"k", "default", true};
};

}  // namespace

TEST_CASE("SQL is written once for both") {
  CHECK(in_dialect("SELECT ?1 {SKIP} '{SKIP} ?'", Dialect::postgres) ==
        "SELECT $1 FOR UPDATE SKIP LOCKED '{SKIP} ?'");
  CHECK(in_dialect("SELECT ?1 {SKIP}", Dialect::sqlite) == "SELECT ?1 ");
}

TEST_CASE("a failed body changes nothing, and its neighbours commit") {
  for (const auto& backend : backends()) {
    CAPTURE(backend);
    Fixture f(backend);
    const auto put = [&](const std::string& name, bool fail) {
      return f.db->write([=](Tx& tx) -> Status {
        TRY_OK(tx.run("INSERT INTO meta(name, value) VALUES(?1, 1) ON CONFLICT(name) DO UPDATE SET value = 1",
                      {name}));
        TRY_OK(tx.later("UPDATE meta SET value = 2 WHERE name = ?1", {name}));
        return fail ? sys_error("no", "") : Status{};
      });
    };
    CHECK(put("good", false));
    CHECK(!put("bad", true));
    std::vector<std::thread> threads;
    for (int i = 0; i < 8; i++)
      threads.emplace_back(
          [&, i] { CHECK(put("many" + std::to_string(i), i % 2 == 1).has_value() == (i % 2 == 0)); });
    for (auto& thread : threads) thread.join();
    CHECK(f.db->read([](Tx& tx) -> Status {
      TRY(const Rows rows,
          tx.run(
              "SELECT name, value FROM meta WHERE name IN ('good', 'bad', 'many0', 'many1') ORDER BY name"));
      CHECK(rows.size() == 2);
      CHECK(rows[0][1].i() == 2);
      TRY_OK(tx.run("SELECT 1 WHERE ?1 = 1", {int64_t{1}}));
      return {};
    }));
    // A broken statement is an error, and the connection goes on working.
    CHECK(!f.db->write([](Tx& tx) -> Status {
      TRY_OK(tx.run("SELECT nonsense FROM nowhere"));
      return {};
    }));
    CHECK(put("good", false));
    CHECK(f.db->write([](Tx& tx) -> Status {
      TRY_OK(tx.run("DELETE FROM meta WHERE name LIKE 'many%' OR name = 'good'"));
      return {};
    }));
  }
}

TEST_CASE("concurrent claims never give one job twice") {
  for (const auto& backend : backends()) {
    CAPTURE(backend);
    Fixture f(backend);
    f.submit(200);
    for (int i = 0; i < 8; i++) f.node("n-" + std::to_string(i));
    std::mutex mutex;
    std::set<std::string> seen;
    size_t total = 0;
    std::vector<std::thread> threads;
    for (int i = 0; i < 8; i++)
      threads.emplace_back([&, i] {
        for (int round = 0; round < 40; round++) {
          const auto got = f.take("n-" + std::to_string(i), 3);
          if (!got) continue;
          const std::lock_guard lock(mutex);
          for (const auto& grant : got->grants) seen.insert(grant.job), total++;
        }
      });
    for (auto& thread : threads) thread.join();
    CHECK(total == 200);
    CHECK(seen.size() == 200);
  }
}

TEST_CASE("grant, accept, result; repetitions and strangers") {
  for (const auto& backend : backends()) {
    CAPTURE(backend);
    Fixture f(backend);
    f.node("n-1");
    f.node("n-2");
    f.submit(1);
    const auto first = f.take("n-1", 1, "nonce"), again = f.take("n-1", 1, "nonce");
    REQUIRE(first);
    REQUIRE(first->grants.size() == 1);
    CHECK(again->grants[0].job == first->grants[0].job);
    const std::string job = first->grants[0].job;
    CHECK(f.in_write([&](Tx& tx) { return accept(tx, "n-2", {{job, 1}}); })[0].status == 409);
    CHECK(f.in_write([&](Tx& tx) { return accept(tx, "n-1", {{job, 1}}); })[0].status == 200);
    CHECK(f.in_write([&](Tx& tx) { return accept(tx, "n-1", {{job, 1}}); })[0].duplicate);
    ResultIn in;
    in.job = job, in.attempt = 1, in.outcome = "succeeded", in.document = "{}";
    CHECK(f.in_write([&](Tx& tx) { return take_results(tx, f.board, {}, "n-2", {in}); })[0].status == 409);
    CHECK(f.in_write([&](Tx& tx) { return take_results(tx, f.board, {}, "n-1", {in}); })[0].state ==
          "succeeded");
    CHECK(f.in_write([&](Tx& tx) { return take_results(tx, f.board, {}, "n-1", {in}); })[0].duplicate);
  }
}

TEST_CASE("a batch of results is judged item by item, each as those before it left things") {
  for (const auto& backend : backends()) {
    CAPTURE(backend);
    Fixture f(backend);
    f.node("n-1");
    f.submit(2);
    const std::string last = f.submit(1)[0].id;
    f.submit(1, (R"({"after":[")" + last + R"("]})").c_str());  // one that waits: `last` does not end alone
    const auto grants = f.take("n-1", 3)->grants;
    REQUIRE(grants.size() == 3);
    const std::string one = grants[0].job, two = grants[1].job;
    const auto taken = f.in_write([&](Tx& tx) {
      return accept(tx, "n-1", {{one, 1}, {two, 1}, {last, 1}, {one, 1}, {"j999999-zzzzzz", 1}, {two, 2}});
    });
    std::vector<int> statuses;
    for (const auto& answer : taken) statuses.push_back(answer.status);
    CHECK(statuses == std::vector<int>{200, 200, 200, 200, 404, 409});
    CHECK(!taken[0].duplicate);
    CHECK(taken[3].duplicate);
    const auto result = [](const std::string& job, const char* outcome, const char* document) {
      ResultIn in;
      in.job = job, in.attempt = 1, in.outcome = outcome, in.document = document;
      if (in.outcome == "failed") in.failure_class = "node", in.reason = "r";
      return in;
    };
    const auto told = f.in_write([&](Tx& tx) {
      return take_results(tx, f.board, {}, "n-1",
                          {result(one, "succeeded", R"({"n":1})"), result(one, "succeeded", R"({"n":2})"),
                           result("j999999-zzzzzz", "succeeded", "{}"), result(two, "failed", "{}"),
                           result(last, "succeeded", "{}")});
    });
    std::vector<std::string> states;
    for (const auto& answer : told) states.push_back(answer.state);
    CHECK(states == std::vector<std::string>{"succeeded", "succeeded", "", "queued", "succeeded"});
    CHECK(told[1].duplicate);
    CHECK(told[2].status == 404);
    const auto job = f.in_write([&](Tx& tx) { return get_job(tx, seq_of(one), true); });
    CHECK(job.state == "succeeded");
    CHECK(job.result == R"({"n":1})");
    CHECK(job.node == "n-1");
    const auto history = f.in_write([&](Tx& tx) { return job_history(tx, job.seq, 10); });
    std::string kinds;
    for (const Json& event : history) kinds += event["kind"].get<std::string>() + " ";
    CHECK(kinds == "job.submitted job.offered job.running job.succeeded ");
    // `two` failed, and a success came after it: the node is not held to be ill.
    const auto evidence =
        f.in_write([](Tx& tx) { return tx.run("SELECT recent_failures FROM nodes WHERE id = 'n-1'"); });
    CHECK(evidence[0][0].s().empty());
    // And the one that waited may run.
    const auto next = f.in_write(
        [](Tx& tx) { return tx.run("SELECT waiting FROM jobs WHERE state = 'queued' AND attempt = 0"); });
    REQUIRE(next.size() == 1);
    CHECK(next[0][0].i() == 0);
  }
}

TEST_CASE("in PostgreSQL a submission does not wait for another one's commit") {
  for (const auto& backend : backends()) {
    if (backend == "sqlite") continue;
    Fixture f(backend);
    const auto first = f.submit(1)[0].seq;  // their class is there
    FieldErrors errors;
    const std::vector<queue::JobSpec> specs(3, queue::read_spec(Json{{"type", "t"}}, "", errors));
    std::vector<Submitted> outer, inner;
    REQUIRE(f.db->write([&](Tx& tx) -> Status {
      TRY(outer, insert_jobs(tx, f.board, specs, f.caller));
      Status meanwhile;
      std::thread([&] {
        meanwhile = f.db->write([&](Tx& other) -> Status {
          TRY(inner, insert_jobs(other, f.board, specs, f.caller));
          return {};
        });
      }).join();
      return meanwhile;
    }));
    std::set<int64_t> numbers;
    for (const auto& list : {outer, inner})
      for (const auto& one : list) numbers.insert(one.seq);
    CHECK(numbers.size() == 6);
    CHECK(*numbers.begin() > first);
  }
}

TEST_CASE("history is complete, ordered, and read from any cursor") {
  for (const auto& backend : backends()) {
    CAPTURE(backend);
    Fixture f(backend);
    const auto start = f.in_write([](Tx& tx) { return newest_event(tx); });
    f.submit(50);
    std::vector<Event> all, paged;
    Cursor cursor = start;
    for (;;) {
      const auto part = f.in_write([&](Tx& tx) { return events_after(tx, cursor, 7); });
      if (part.empty()) break;
      cursor = part.back().cursor;
      paged.insert(paged.end(), part.begin(), part.end());
    }
    CHECK(paged.size() == 50);
    CHECK(std::ranges::is_sorted(paged, {}, &Event::cursor));
    CHECK(parse_cursor(cursor_text(cursor)));
    CHECK(!parse_cursor("1-x"));
  }
}

TEST_CASE("logs are appended where they end, capped, and read in pieces") {
  for (const auto& backend : backends()) {
    CAPTURE(backend);
    Fixture f(backend);
    const auto append = [&](int64_t at, std::string data) {
      return f.in_write([&](Tx& tx) { return append_log(tx, 1, 1, at, data, 20); });
    };
    CHECK(append(0, std::string("a\0b\n", 4)).next == 4);
    CHECK(!append(3, "x").matched);
    CHECK(append(4, "0123456789").next == 14);
    CHECK(append(14, "0123456789").full);
    const auto part = f.in_write([](Tx& tx) { return read_log(tx, 1, 0, 2, 6); });
    CHECK(part.data == std::string("b\n0123"));
    CHECK(part.size == 20);
  }
}

TEST_CASE("time takes back offers, gives up silent nodes, and ends late jobs") {
  for (const auto& backend : backends()) {
    CAPTURE(backend);
    Fixture f(backend);
    f.node("n-1");
    const auto made = f.submit(2);
    const auto got = f.take("n-1", 2);
    REQUIRE(got->grants.size() == 2);
    f.in_write([&](Tx& tx) { return accept(tx, "n-1", {{got->grants[0].job, 1}}); });
    const auto age = [&](const char* sql) {
      REQUIRE(f.db->write([&](Tx& tx) -> Status {
        TRY_OK(tx.run(sql));
        return {};
      }));
    };
    age("UPDATE jobs SET offer_until = 1 WHERE offer_until IS NOT NULL");
    age("UPDATE nodes SET lease_until = 1");
    CHECK(f.in_write([&](Tx& tx) { return sweep_timers(tx, f.board, {}, false, 100); }) ==
          1);  // the offer only
    CHECK(f.in_write([&](Tx& tx) { return sweep_timers(tx, f.board, {}, true, 100); }) ==
          2);  // the node and its job
    CHECK(f.in_write([&](Tx& tx) { return sweep_timers(tx, f.board, {}, true, 100); }) == 0);
    for (const auto& one : made)
      CHECK(f.in_write([&](Tx& tx) { return get_job(tx, one.seq, true); }).state == "queued");
  }
}

TEST_CASE("a copy of an agent takes no job from the first one, and is refused") {
  for (const auto& backend : backends()) {
    CAPTURE(backend);
    Fixture f(backend);
    f.node("n-1");
    f.submit(2);
    const auto got = f.take("n-1", 1);
    REQUIRE(got->grants.size() == 1);
    const std::string job = got->grants[0].job;
    f.in_write([&](Tx& tx) { return accept(tx, "n-1", {{job, 1}}); });
    const auto beat = [&](const char* session, int64_t number, bool with_job) {
      Beat in;
      in.session = session, in.boot_id = session, in.beat = number, in.lease = 60'000;
      in.periods.forget_slack = 0;
      if (with_job) in.jobs.push_back({job, 1, "", -1});
      return f.in_write([&](Tx& tx) { return heartbeat(tx, f.board, "n-1", in); });
    };
    CHECK(!beat("first", 1, true).stale);
    CHECK(!beat("copy", 1, false).refused);
    CHECK(beat("first", 2, true).stale);
    CHECK(!beat("copy", 2, false).refused);
    CHECK(!beat("first", 3, true).stale);
    CHECK(beat("copy", 3, false).refused);
    const auto now = f.in_write([&](Tx& tx) { return get_job(tx, seq_of(job), true); });
    CHECK(now.state == "running");
    CHECK(now.attempt == 1);
    Claim in;
    in.node = "n-1", in.free.slots = 1, in.lease = 60'000, in.session = "copy";
    CHECK(f.in_write([&](Tx& tx) { return claim(tx, f.board, in); }).refused);
    in.session = "first";
    CHECK(f.in_write([&](Tx& tx) { return claim(tx, f.board, in); }).grants.size() == 1);
    const auto told =
        f.in_write([](Tx& tx) { return tx.run("SELECT count(*) FROM events WHERE kind = 'node.cloned'"); });
    CHECK(told[0][0].i() == 1);
  }
}

TEST_CASE("a node that was started anew with another boot gives its jobs back") {
  for (const auto& backend : backends()) {
    CAPTURE(backend);
    Fixture f(backend);
    f.node("n-1");
    f.submit(1);
    const std::string job = f.take("n-1", 1)->grants[0].job;
    f.in_write([&](Tx& tx) { return accept(tx, "n-1", {{job, 1}}); });
    const auto beat = [&](const char* session, int64_t number) {
      Beat in;
      in.session = session, in.boot_id = session, in.beat = number, in.lease = 60'000;
      return f.in_write([&](Tx& tx) { return heartbeat(tx, f.board, "n-1", in); });
    };
    Beat with;
    with.session = with.boot_id = "one", with.beat = 1, with.lease = 60'000;
    with.jobs.push_back({job, 1, "", -1});
    f.in_write([&](Tx& tx) { return heartbeat(tx, f.board, "n-1", with); });
    beat("two", 1);
    CHECK(f.in_write([&](Tx& tx) { return get_job(tx, seq_of(job), true); }).state == "running");
    REQUIRE(f.db->write([](Tx& tx) -> Status {  // a lease has passed
      TRY_OK(tx.run("UPDATE nodes SET session_since = 1"));
      TRY_OK(tx.run("UPDATE jobs SET started_at = 1"));
      return {};
    }));
    beat("two", 2);
    const auto now = f.in_write([&](Tx& tx) { return get_job(tx, seq_of(job), true); });
    CHECK(now.state == "queued");
    CHECK(now.reason == "its node was restarted");
    CHECK(queue::count_of(now.lost_on) == 1);
  }
}
