#include "sys/json.h"

#include <doctest/doctest.h>

#include <functional>

#include "cgroup/meters.h"
#include "jobs/record.h"
#include "jobs/result.h"

using namespace ffrtmp;

namespace {

Record full_record() {
  Record record;
  record.job_id = "live-1";
  record.command = {"ffmpeg", "-i", "a b\n\"c\"", "ü"};
  record.workdir = "/srv";
  record.started_at = parse_rfc3339("2026-01-31T08:15:30.125Z");
  record.workload = ProcessIdentity{4711, 18446744073709551615ull, "6e8ba56a"};
  record.observer = ProcessIdentity{4712, 1, "6e8ba56a"};
  record.detached = true;
  record.keep = false;
  record.log_path = "/run/ffrtmp/jobs/live-1/log";
  record.progress_path = "/run/ffrtmp/jobs/live-1/progress";
  record.timeout_s = 1.5;
  record.boot_id = "6f1c0e7e-0000-4000-8000-000000000000";
  record.cgroups = {{"/sys/fs/cgroup", "/ffrtmp.slice/x/live-1", 4711},
                    {"/sys/fs/cgroup/memory", "/ffrtmp/live-1", 4712}};
  record.leaf_name = "live-1";
  record.receipt.placement = "systemd scope";
  record.receipt.cgroup = "/ffrtmp.slice/x/live-1";
  record.receipt.unit = "ffrtmp-jobs.scope";
  record.receipt.notes = {"one", "two"};
  ReceiptRow row;
  row.name = "memory.max";
  row.asked = {"2G", "2147483648"};
  row.in_force = {"2G", "2147483648"};
  row.effective = {"1G", "1073741824"};
  row.mechanism = "cgroup v2 memory.max";
  row.strength = Strength::enforced;
  row.why = "a cgroup above is tighter";
  row.origin = "--memory-max";
  record.receipt.rows.push_back(row);
  row.strength = Strength::advisory;
  row.effective = {};
  record.receipt.rows.push_back(row);
  row.strength = Strength::none;
  record.receipt.rows.push_back(row);
  return record;
}

/// Every value of a document, one after the other, replaced by values of every wrong type.
void each_spoiled(const Json& document, const std::function<void(const Json&)>& check) {
  const Json flat = document.flatten();
  const std::vector<Json> wrong = {nullptr,
                                   true,
                                   -1,
                                   18446744073709551615ull,
                                   1e300,
                                   "text",
                                   Json::array(),
                                   Json::array({1, "a", nullptr}),
                                   Json::object(),
                                   Json::object({{"a", 1}})};
  std::vector<std::string> pointers;
  for (const auto& [pointer, value] : flat.items()) {
    // The value itself and each container that holds it.
    for (std::string at = pointer; !at.empty(); at.erase(at.rfind('/'))) pointers.push_back(at);
  }
  for (const auto& pointer : pointers)
    for (const auto& value : wrong) {
      Json spoiled = document;
      spoiled[Json::json_pointer(pointer)] = value;
      CAPTURE(pointer);
      CAPTURE(dump_json(value));
      check(spoiled);
    }
  for (const auto& value : wrong) check(value);
}

}  // namespace

TEST_CASE("a record comes back from its file as it was written") {
  const Record record = full_record();
  const auto back = record_from_json(parse_json(dump_json(to_json(record), 1), "record").value());
  REQUIRE(back.has_value());
  CHECK(dump_json(to_json(*back)) == dump_json(to_json(record)));
  CHECK(back->workload == record.workload);
  CHECK(back->command == record.command);
  CHECK(back->cgroups == record.cgroups);
  CHECK(back->timeout_s == record.timeout_s);
  CHECK(back->started_at == record.started_at);
  CHECK(back->receipt.rows.size() == 3);
  CHECK(back->receipt.rows[1].strength == Strength::advisory);
  CHECK(back->receipt.rows[1].effective == ShownValue{});
}

TEST_CASE("a record with little in it comes back too") {
  Record record;
  record.job_id = "x";
  const auto back = record_from_json(to_json(record));
  REQUIRE(back.has_value());
  CHECK_FALSE(back->workload);
  CHECK_FALSE(back->timeout_s);
  CHECK(back->receipt.rows.empty());
}

TEST_CASE("a command with bytes that are not UTF-8 is written, not refused") {
  Record record;
  record.job_id = "x";
  record.command = {"ffmpeg", "-i", "caf\xe9.mp4"};
  CHECK_NOTHROW(dump_json(to_json(record)));
  CHECK(parse_json(dump_json(to_json(record)), "record").has_value());
}

TEST_CASE("a record whose values have any wrong type is an error or a record, never an exception") {
  each_spoiled(to_json(full_record()), [](const Json& spoiled) {
    CHECK_NOTHROW((void)record_from_json(spoiled));
    if (!spoiled.is_object() || !spoiled.contains("job_id") || !spoiled["job_id"].is_string())
      CHECK_FALSE(record_from_json(spoiled).has_value());
  });
}

TEST_CASE("a receipt or usage whose values have any wrong type is read as far as it goes") {
  each_spoiled(to_json(full_record().receipt),
               [](const Json& spoiled) { CHECK_NOTHROW((void)receipt_from_json(spoiled)); });
  Usage usage;
  usage.cpu_user_s = 1.5;
  usage.memory_peak_bytes = 7;
  each_spoiled(to_json(usage), [](const Json& spoiled) { CHECK_NOTHROW((void)usage_from_json(spoiled)); });
}

TEST_CASE("a result whose values have any wrong type stands for some exit code") {
  const Record record = full_record();
  Ending ending;
  ending.wait_status = 1 << 8;
  const Json result = make_result(record, ending, judge(record, ending));
  each_spoiled(result, [](const Json& spoiled) { CHECK_NOTHROW((void)exit_code_of_result(spoiled)); });
}

TEST_CASE("usage comes back as it was written") {
  Usage usage;
  usage.cpu_user_s = 1.5;
  usage.cpu_system_s = 0.25;
  usage.throttled_s = 3;
  usage.throttled_periods = 4;
  usage.memory_peak_bytes = 5;
  usage.io_read_bytes = 6;
  usage.io_write_bytes = 7;
  usage.cpu_pressure_us = 8;
  usage.memory_pressure_us = 9;
  usage.io_pressure_us = 10;
  usage.source = "cgroup v2";
  CHECK(dump_json(to_json(usage_from_json(to_json(usage)))) == dump_json(to_json(usage)));
  CHECK(dump_json(to_json(usage_from_json(to_json(Usage{})))) == dump_json(to_json(Usage{})));
}

TEST_CASE("an identity needs all its parts, and a PID that is none is no identity") {
  CHECK(identity_from_json(to_json(ProcessIdentity{1, 2, "b"})) == ProcessIdentity{1, 2, "b"});
  for (const std::string bad :
       {"{}", "null", "[]", R"({"pid":1,"start_ticks":2})", R"({"pid":"1","start_ticks":2,"boot_id":"b"})",
        R"({"pid":1.5,"start_ticks":2,"boot_id":"b"})", R"({"pid":1,"start_ticks":-2,"boot_id":"b"})",
        R"({"pid":-1,"start_ticks":2,"boot_id":"b"})", R"({"pid":0,"start_ticks":2,"boot_id":"b"})",
        // 2^32 + 1: cut to 32 bits it would be somebody else
        R"({"pid":4294967297,"start_ticks":2,"boot_id":"b"})"})
    CHECK_MESSAGE(!identity_from_json(parse_json(bad, "test").value()), bad);
}

TEST_CASE("text that is no JSON is an error that names its file, however deep it goes") {
  for (const std::string& bad :
       {std::string(), std::string("{"), std::string("{\"a\":1,}"), std::string("nul"),
        std::string("{\"a\":\"\xff\"}"), std::string("\0", 1), std::string(5000, '[')}) {
    const auto parsed = parse_json(bad, "some/file.json");
    REQUIRE_FALSE(parsed.has_value());
    CHECK(parsed.error().message().find("some/file.json") != std::string::npos);
  }
}

TEST_CASE("times are RFC 3339 in UTC both ways, and what is no time is none") {
  CHECK(rfc3339({1'769'847'330'125'000'000}) == "2026-01-31T08:15:30.125Z");
  CHECK(parse_rfc3339("2026-01-31T08:15:30.125Z").ns == 1'769'847'330'125'000'000);
  CHECK(rfc3339({0}) == "1970-01-01T00:00:00.000Z");
  for (const std::string bad : {"", "yesterday", "2026-01-31", "2026-01-31T08:15:30Z"})
    CHECK_MESSAGE(parse_rfc3339(bad).ns == 0, bad);
  // Far off, and still no arithmetic that overflows.
  for (const std::string odd :
       {"9999-12-31T23:59:59.999Z", "0000-00-00T00:00:00.000Z", "-999-12-31T23:59:59.999Z"})
    CHECK_NOTHROW((void)parse_rfc3339(odd));
  CHECK(parse_rfc3339("9999-12-31T23:59:59.999Z").ns >= 0);
}
