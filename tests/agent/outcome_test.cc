#include "agent/outcome.h"

#include <doctest/doctest.h>

using namespace ffrtmp;
using namespace ffrtmp::agent;

namespace {

Attempt attempt(Wish wish = Wish::run) {
  Attempt out;
  out.job = "j1";
  out.number = 2;
  out.wish = wish;
  out.spec = {{"type", "transcode"}};
  out.run_id = run_id_of("j1", 2);
  return out;
}

/// As it is read from a file: numbers that are not negative are unsigned then.
Json read_back(const Json& json) { return *parse_json(dump_json(json), "a test"); }

Json exited(unsigned code) { return {{"outcome", "exited"}, {"exit_code", code}, {"reason", "it said so"}}; }

}  // namespace

TEST_CASE("a recorder's result in the master's terms") {
  CHECK(judge_result(attempt(), exited(0)).outcome == "succeeded");
  CHECK(judge_result(attempt(), exited(65)).outcome == "failed");
  CHECK(judge_result(attempt(), exited(127)).failure_class == "capability");
  CHECK(judge_result(attempt(), {{"outcome", "timed_out"}}).failure_class == "deadline");
  CHECK(judge_result(attempt(), {{"outcome", "oom_killed"}, {"killer", "own limit"}}).failure_class ==
        "resource");
  CHECK(judge_result(attempt(), {{"outcome", "oom_killed"}, {"killer", "host"}}).failure_class == "node");
  CHECK(judge_result(attempt(), {{"outcome", "signaled"}, {"signal", 9}, {"killer", "unknown"}}).outcome ==
        "failed");
  // A cancel is a cancel, however the workload took it (D24).
  CHECK(judge_result(attempt(Wish::cancel), exited(130)).outcome == "cancelled");
  CHECK(judge_result(attempt(Wish::cancel), exited(0)).outcome == "cancelled");
}

TEST_CASE("an end that nobody saw counts by what the job itself has verified") {
  Json lost = {{"outcome", "lost"},
               {"job", {{"type", "transcode"}, {"reason", nullptr}, {"verification", {{"passed", true}}}}}};
  CHECK(judge_result(attempt(), lost).outcome == "succeeded");
  lost["job"]["verification"]["passed"] = nullptr;
  CHECK(judge_result(attempt(), lost).failure_class == "node");
  lost["job"] = {{"type", "transcode"}};
  CHECK(judge_result(attempt(), lost).outcome == "failed");
  CHECK(judge_result(attempt(), Json("rubbish")).outcome == "failed");
  CHECK(judge_result(attempt(), Json::object()).outcome == "failed");
}

TEST_CASE("a launch that ffrtmp refuses") {
  const auto judged = [](int code, const char* text) {
    return judge_refused_launch(attempt(), code, text).failure_class;
  };
  CHECK(judged(125, "ffrtmp: input input: the file is empty: x.mp4\n") == "input");
  CHECK(judged(125, "ffrtmp: transcode has no parameter \"crff\"; did you mean crf?\n") == "parameters");
  CHECK(judged(125, "ffrtmp: no encoder for h265 works here\n") == "capability");
  CHECK(judged(127, "ffrtmp: no such program: x\n") == "capability");
  CHECK(judged(137, "") == "node");
  CHECK(judge_refused_launch(attempt(), 125, "").reason == "ffrtmp ended with exit code 125");
}

TEST_CASE("secrets are in no result") {
  Json result = exited(1);
  result["command"] = {"ffmpeg", "rtmp://host/app/STREAMKEY"};
  result["job"] = {{"parameters", {{"stream_key", "KEYKEY"}, {"target", "https://h/x?token=TOKTOK"}}}};
  result["log_tail"] = {"opening rtmp://host/app/STREAMKEY"};
  const std::string text = dump_json(judge_result(attempt(), result).result);
  for (const char* word : {"STREAMKEY", "KEYKEY", "TOKTOK"}) CHECK(text.find(word) == std::string::npos);
}

TEST_CASE("what an ended attempt puts into the outbox, and in which order") {
  Json result = exited(0);
  result["job"] = {{"outputs",
                    {{{"path", "/w/a/out/o.mp4"}, {"bytes", 7}, {"sha256", std::string(64, 'a')}},
                     {{"path", "/w/a/out/set/1/x.ts"}, {"bytes", 8}, {"sha256", std::string(64, 'b')}},
                     {{"path", "/w/a/put/1/p.mp4"}, {"bytes", 9}, {"sha256", std::string(64, 'c')}},
                     {{"path", "/srv/elsewhere.mp4"}, {"bytes", 9}, {"sha256", std::string(64, 'd')}}}}};
  const auto items = outbox_items(attempt(), judge_result(attempt(), result), "/w/a");
  REQUIRE(items.size() == 5);
  CHECK(items[0].kind == "log");
  CHECK(items[1].body["name"] == "o.mp4");
  CHECK(items[2].body["name"] == "set__1__x.ts");
  CHECK(items[3].kind == "put");
  CHECK(items[3].body["output"] == 1);
  CHECK(items[4].kind == "result");
  CHECK(items[4].body["artifacts"].size() == 2);
  const auto few = outbox_items(attempt(), judge_result(attempt(), result), "/w/a", true);
  CHECK(few.front().kind == "artifact");
  CHECK(!few.back().body.contains("result"));
}

TEST_CASE("a result that is too long loses what is least missed") {
  Json result = exited(0);
  result["log_tail"] = std::string(50'000, 'x');
  result["receipt"] = {{{"limit", "memory.max"}}};
  const Outcome outcome = judge_result(attempt(), result);
  CHECK(result_body(attempt(), outcome)["result"].contains("log_tail"));
  const Json shorter = result_body(attempt(), outcome, 2000);
  CHECK(!shorter["result"].contains("log_tail"));
  CHECK(shorter["result"].contains("receipt"));
  CHECK(!result_body(attempt(), outcome, 10).contains("result"));
}

TEST_CASE("ids of runs are ids, and different for different attempts") {
  CHECK(run_id_of("j1", 2) == "a-j1-2");
  CHECK(run_id_of("j1-1", 2) != run_id_of("j1", 12));
  CHECK(run_id_of(std::string(64, 'x'), 3).size() <= 64);
  CHECK(run_id_of(std::string(64, 'x'), 3) != run_id_of(std::string(63, 'x') + "y", 3));
  Attempt one = attempt();
  CHECK(attempt_from_json(read_back(to_json(one))).key() == one.key());
  Json other = read_back(to_json(one));
  other["run_id"] = "a-j1-3";
  CHECK(attempt_from_json(other).job.empty());
  CHECK(attempt_from_json(Json("x")).job.empty());
}
