#include <doctest/doctest.h>
#include <signal.h>
#include <sys/syscall.h>

#include "fake.h"
#include "jobs/result.h"
#include "why/causes.h"
#include "why/counters.h"
#include "why/ended.h"

using namespace ffrtmp;

namespace {

bool contains(const std::string& text, const std::string& part) {
  return text.find(part) != std::string::npos;
}

/// A job that does well on a host of four CPUs.
Observation fine() {
  Observation seen;
  seen.window_s = 2;
  seen.cpus_used = 0.4;
  seen.throttled_share = 0;
  seen.throttled_cpus = 0;
  seen.quota = CpuMax{150'000, 100'000};
  seen.waiting_cpus = 0.01;
  seen.cpus_allowed = 2;
  seen.cpus_host = 4;
  seen.memory_pressure = 0;
  seen.io_pressure = 0;
  seen.host_cpu = seen.host_memory = seen.host_io = 0.02;
  seen.network = NetworkView{};
  return seen;
}

Record record_of(std::vector<std::string> command) {
  Record record;
  record.job_id = "cam7";
  record.command = std::move(command);
  return record;
}

Json result_of(const Record& record, Ending ending) {
  ending.duration = std::chrono::seconds(10);
  return make_result(record, ending, judge(record, ending));
}

}  // namespace

TEST_CASE("a job that nothing holds back is said to be fine, and one that is slow all the same is not") {
  Observation seen = fine();
  CHECK(find_causes(seen).empty());
  CHECK(contains(sentence_of(seen, {}), "nothing"));
  seen.speed = 1.0;
  CHECK(find_causes(seen).empty());
  CHECK(contains(sentence_of(seen, {}), "1x"));
  seen.speed = 0.5;
  CHECK(find_causes(seen).empty());
  CHECK(contains(sentence_of(seen, {}), "slow"));
  CHECK(find_causes(Observation{}).empty());  // nothing known is nothing claimed
}

TEST_CASE("a CPU quota that throttles is certain, with the quota that would have sufficed") {
  Observation seen = fine();
  seen.quota = CpuMax{50'000, 100'000};
  seen.cpus_used = 0.5;
  seen.throttled_share = 0.97;
  seen.throttled_cpus = 0.5;
  auto causes = find_causes(seen);
  REQUIRE(causes.size() == 1);
  CHECK(causes[0].name == "cpu quota");
  CHECK(causes[0].certainty == Certainty::certain);
  CHECK(causes[0].limit == "cpu.max");
  CHECK(causes[0].value == "110%");  // one CPU, and a tenth
  CHECK(contains(causes[0].text, "50%"));
  CHECK(option_of(causes[0]) == "--cpu-max 110%");
  CHECK(parse_cpu_max(causes[0].value).has_value());
  // No more than the CPUs that it may run on, whatever its threads would like.
  seen.throttled_cpus = 30;
  CHECK(find_causes(seen)[0].value == "220%");
  // Media that falls behind tells better: half of real time at half a CPU takes one.
  seen.speed = 0.5;
  CHECK(find_causes(seen)[0].value == "110%");
  // More than it may run on: the CPUs come with the quota. More than there are: no value is said to do.
  seen.speed = 0.2;
  CHECK(option_of(find_causes(seen)[0]) == "--cpu-max 275% --cpuset 0-3");
  CHECK(contains(sentence_of(seen, find_causes(seen)), "sufficed"));
  seen.speed = 0.1;
  CHECK_FALSE(find_causes(seen)[0].enough);
  CHECK_FALSE(contains(sentence_of(seen, find_causes(seen)), "sufficed"));
  CHECK(contains(sentence_of(seen, find_causes(seen)), "5 CPUs"));
  // One that keeps up is throttled and does not suffer.
  seen.speed = 1.0;
  CHECK(contains(find_causes(seen)[0].text, "keeps up"));
}

TEST_CASE("a quota above the job is named, and no option of the job's is offered") {
  Observation seen = fine();
  seen.throttled_share = 0.5;
  seen.throttled_by = "/ffrtmp.slice";
  const auto causes = find_causes(seen);
  REQUIRE(causes.size() == 1);
  CHECK(contains(causes[0].text, "/ffrtmp.slice"));
  CHECK(causes[0].value.empty());
  CHECK(option_of(causes[0]).empty());
}

TEST_CASE("threads that wait for a CPU without a quota are starved by the host, likely") {
  Observation seen = fine();
  seen.cpus_used = 0.5;
  seen.waiting_cpus = 0.8;
  auto causes = find_causes(seen);
  REQUIRE(causes.size() == 1);
  CHECK(causes[0].name == "host cpu");
  CHECK(causes[0].certainty == Certainty::likely);
  CHECK(causes[0].limit == "cpu.weight");
  CHECK_FALSE(contains(causes[0].text, "pid"));
  seen.busiest_other = OtherLoad{"stress-ng", 4711, 1.5};
  CHECK(contains(find_causes(seen)[0].text, "stress-ng, pid 4711"));
  CHECK(contains(sentence_of(seen, causes), "likely"));
  // What throttles counts as waiting too: then it is not blamed on the host.
  seen.throttled_share = 0.9;
  causes = find_causes(seen);
  REQUIRE(causes.size() == 1);
  CHECK(causes[0].name == "cpu quota");
}

TEST_CASE("a job that uses all of its CPUs is told so, the host's size apart from a narrow set") {
  Observation seen = fine();
  seen.cpus_used = 1.98;
  auto causes = find_causes(seen);
  REQUIRE(causes.size() == 1);
  CHECK(causes[0].name == "cpus");
  CHECK(causes[0].value == "0-3");
  CHECK(option_of(causes[0]) == "--cpuset 0-3 --cpu-max 400%");  // its quota of 150% would stop it next
  seen.quota.reset();
  CHECK(option_of(find_causes(seen)[0]) == "--cpuset 0-3");
  seen.cpus_allowed = 4;
  seen.cpus_used = 3.95;
  causes = find_causes(seen);
  REQUIRE(causes.size() == 1);
  CHECK(causes[0].name == "host size");
  CHECK(causes[0].value.empty());
  seen.speed = 3;  // as fast as they allow, and they are what allows no more
  CHECK(find_causes(seen).size() == 1);
  seen.speed = 1.0;  // paced by real time: it would not go faster on more
  CHECK(find_causes(seen).empty());
}

TEST_CASE("memory: a limit that is hit and costs time, with a next step; one that costs nothing is none") {
  Observation seen = fine();
  seen.memory_bytes = seen.memory_peak_bytes = 64 << 20;
  seen.memory_high = 64 << 20;
  seen.high_events = 12;
  CHECK(find_causes(seen).empty());
  seen.memory_pressure = 0.6;
  auto causes = find_causes(seen);
  REQUIRE(causes.size() == 1);
  CHECK(causes[0].name == "memory limit");
  CHECK(causes[0].limit == "memory.high");
  CHECK(causes[0].certainty == Certainty::certain);
  CHECK(parse_bytes(causes[0].value)->count > (100u << 20));
  CHECK(parse_bytes(causes[0].value)->count < (120u << 20));
  seen.memory_by = "/above";
  CHECK(find_causes(seen)[0].value.empty());
  CHECK(contains(find_causes(seen)[0].text, "/above"));
  // v1 tells of hits, not of their cost.
  seen.memory_by.clear();
  seen.memory_pressure.reset();
  causes = find_causes(seen);
  REQUIRE(causes.size() == 1);
  CHECK(causes[0].certainty == Certainty::likely);
  // No limit was hit: the host's, and only if the host is short.
  seen.high_events = 0;
  seen.memory_pressure = 0.6;
  CHECK(find_causes(seen).empty());
  seen.host_memory = 0.4;
  CHECK(find_causes(seen)[0].name == "host memory");
}

TEST_CASE("a disk is told from the job's own io.max") {
  Observation seen = fine();
  seen.io_pressure = 0.5;
  seen.write_bps = 1 << 20;
  CHECK(find_causes(seen)[0].name == "disk");
  CHECK(find_causes(seen)[0].value.empty());
  IoMax limit;
  limit.device = {8, 0};
  limit.wbps = 1 << 20;
  seen.io_limits = {limit};
  const auto causes = find_causes(seen);
  REQUIRE(causes.size() == 1);
  CHECK(causes[0].name == "disk limit");
  CHECK(causes[0].value == "8:0 wbps=3M");
  CHECK(option_of(causes[0]) == "--io-max '8:0 wbps=3M'");
  seen.write_bps = 1000;  // far from it
  CHECK(find_causes(seen)[0].name == "disk");
}

TEST_CASE("the network is named only when threads were seen in it") {
  Observation seen = fine();
  seen.network->receiving = 1;
  CHECK(find_causes(seen).empty());  // a live stream always waits for its input
  seen.speed = 0.5;
  CHECK(find_causes(seen)[0].name == "network");
  seen.speed.reset();
  seen.network = NetworkView{0.7, 0, {}};
  CHECK(contains(find_causes(seen)[0].text, "sending"));
  // A program that waits in poll(2) shows nothing of that; the account of its connection does.
  seen.network =
      NetworkView{0, 0, Standstill{std::chrono::seconds(12), "192.0.2.1:1935 takes no more data, 8K wait"}};
  const auto causes = find_causes(seen);
  REQUIRE(causes.size() == 1);
  CHECK(causes[0].certainty == Certainty::certain);
  CHECK(causes[0].text == "has stood still for 12.0 s: 192.0.2.1:1935 takes no more data, 8K wait");
}

TEST_CASE("one busy thread is the program's own bound, unless something else is") {
  Observation seen = fine();
  seen.cpus_used = 1.0;
  seen.busiest_thread = 0.98;
  seen.busiest_name = "enc0:0";
  auto causes = find_causes(seen);
  REQUIRE(causes.size() == 1);
  CHECK(contains(causes[0].text, "enc0:0"));
  seen.io_pressure = 0.5;
  causes = find_causes(seen);
  REQUIRE(causes.size() == 1);
  CHECK(causes[0].name == "disk");
}

TEST_CASE("causes come heaviest first, and a stopped job has only one") {
  Observation seen = fine();
  seen.throttled_share = 0.2;
  seen.throttled_cpus = 0.1;
  seen.io_pressure = 0.7;
  const auto causes = find_causes(seen);
  REQUIRE(causes.size() == 2);
  CHECK(causes[0].name == "disk");
  seen.stopped = true;
  CHECK(find_causes(seen).size() == 1);
  CHECK(find_causes(seen)[0].name == "stopped");
}

TEST_CASE("where threads sleep is read by the kernel's names, and unknown names are no evidence") {
  const auto look = [](char state, const char* wchan) {
    ThreadLook out;
    add_wait(state, wchan, out);
    return out;
  };
  CHECK(look('S', "sk_stream_wait_memory").sending);
  CHECK(look('S', "tcp_sendmsg_locked").sending);
  CHECK(look('S', "tcp_recvmsg_locked").receiving);
  CHECK(look('D', "io_schedule").disk);
  CHECK(look('D', "mem_cgroup_handle_over_high").memory);
  CHECK_FALSE(look('D', "mem_cgroup_handle_over_high").disk);
  CHECK(look('D', "0").disk);
  const ThreadLook nothing = look('S', "do_sys_poll");
  CHECK_FALSE((nothing.sending || nothing.receiving || nothing.disk || nothing.memory));
}

TEST_CASE("a sleep in a call on a socket is one of sending or receiving, by the call") {
  const auto look = [](long number) {
    ThreadLook out;
    add_socket_wait(number, out);
    return out;
  };
  CHECK(look(SYS_sendto).sending);
  CHECK(look(SYS_write).sending);
  CHECK(look(SYS_recvfrom).receiving);
  CHECK_FALSE(look(SYS_recvfrom).sending);
  CHECK_FALSE((look(SYS_ppoll).sending || look(SYS_ppoll).receiving));
}

TEST_CASE(
    "the growth of counters: shares of the window, the level that throttles, counters that were reset") {
  Counters before, after;
  before.at_s = 100;
  after.at_s = 102;
  before.cpu_s = 5;
  after.cpu_s = 6;
  before.io_pressure_s = 1;
  after.io_pressure_s = 2;
  before.memory_pressure_s = 7;
  after.memory_pressure_s = 1;  // not the same cgroup any more
  LevelCounters own{"/a/job", CpuMax{50'000, 100'000}, 1.0, 100, 10, {}, {}, {}, {}};
  LevelCounters above{"/a", CpuMax{100'000, 100'000}, 0.0, 100, 0, {}, {}, {}, {}};
  before.cpu_levels = {own, above};
  own.periods = 120, own.throttled_periods = 20, own.throttled_s = 1.5;
  above.periods = 120, above.throttled_periods = 1;
  after.cpu_levels = {own, above};
  before.threads[1] = {"a", 1.0, 0.5};
  after.threads[1] = {"a", 1.5, 1.5};
  after.threads[2] = {"b", 0.2, 0.0};
  before.media_s = 10, before.media_at_s = 1000;
  after.media_s = 11, after.media_at_s = 1002;
  after.media_speed = 3;
  before.others[7] = {"idle", 1, 50};
  after.others[7] = {"idle", 1, 50.1};
  before.others[8] = {"old", 1, 90};
  after.others[8] = {"young", 2, 1};  // another process of the same number
  Observation seen = difference(before, after);
  REQUIRE(seen.busiest_other);
  CHECK(seen.busiest_other->name == "young");
  CHECK(seen.busiest_other->cpus == doctest::Approx(0.5));
  CHECK(seen.window_s == doctest::Approx(2));
  CHECK(*seen.cpus_used == doctest::Approx(0.5));
  CHECK(*seen.io_pressure == doctest::Approx(0.5));
  CHECK_FALSE(seen.memory_pressure);
  CHECK(*seen.throttled_share == doctest::Approx(0.5));
  CHECK(*seen.throttled_cpus == doctest::Approx(0.25));
  CHECK(seen.throttled_by.empty());
  CHECK(seen.quota->quota_us == 50'000);
  CHECK(*seen.waiting_cpus == doctest::Approx(0.5));
  CHECK(seen.busiest_thread == doctest::Approx(0.25));
  CHECK(*seen.speed == doctest::Approx(0.5));  // now, not since the start
  after.cpu_levels[1].throttled_periods = 20;
  seen = difference(before, after);
  CHECK(seen.throttled_by == "/a");
  CHECK(seen.quota->quota_us == 100'000);
  CHECK(*difference(after, after).speed == doctest::Approx(3));
}

TEST_CASE("counters are read from v2's files, the cgroup above included") {
  fake::Dir dir;
  dir.folder("v2/above/job");
  dir.file(
      "v2/above/job/cpu.stat",
      "usage_usec 10\nuser_usec 6\nsystem_usec 4\nnr_periods 8\nnr_throttled 3\nthrottled_usec 2000000\n");
  dir.file("v2/above/job/cpu.max", "50000 100000\n");
  dir.file("v2/above/cpu.stat", "nr_periods 9\nnr_throttled 1\nthrottled_usec 7\n");
  dir.file("v2/above/cpu.max", "max 100000\n");
  dir.file("v2/above/job/memory.high", "1048576\n");
  dir.file("v2/above/job/memory.max", "max\n");
  dir.file("v2/above/job/memory.events.local", "low 0\nhigh 5\nmax 2\n");
  dir.file("v2/above/memory.max", "4194304\n");
  dir.file("v2/above/job/memory.pressure", "some avg10=0 avg60=0 avg300=0 total=1500000\n");
  Leaf leaf;
  leaf.name = "job";
  CgroupDir folder;
  folder.hierarchy.names = {"cpu", "memory"};
  folder.hierarchy.mount_point = dir / "v2";
  folder.hierarchy.mount_root = "/";
  folder.path = "/above/job";
  folder.fd = dir.open("v2/above/job");
  leaf.dirs.push_back(std::move(folder));
  const Counters found = read_counters(leaf, ::getpid(), "");
  REQUIRE(found.cpu_levels.size() == 2);
  CHECK(found.cpu_levels[0].quota->quota_us == 50'000);
  CHECK(found.cpu_levels[0].throttled_periods == 3u);
  CHECK(*found.cpu_levels[0].throttled_s == doctest::Approx(2));
  CHECK(found.cpu_levels[1].path == "/above");
  CHECK_FALSE(found.cpu_levels[1].quota);
  REQUIRE(found.memory_levels.size() == 2);
  CHECK(found.memory_levels[0].high == 1048576u);
  CHECK_FALSE(found.memory_levels[0].max);
  CHECK(found.memory_levels[0].high_events == 5u);
  CHECK(found.memory_levels[1].max == 4194304u);
  CHECK(*found.memory_pressure_s == doctest::Approx(1.5));
}

TEST_CASE("an end: own limit, time limit, signal, exit code, each with its cause and what is only likely") {
  const Record ffmpeg = record_of({"ffmpeg", "-i", "in.mp4"});
  const auto why = [&](const Record& record, const Ending& ending) {
    return why_it_ended(record, result_of(record, ending), {});
  };
  Ending ending;
  ending.wait_status = SIGKILL;
  ending.oom.asked = true;
  ending.oom.kills = 1;
  ending.oom.own_limit = true;
  ending.usage.memory_peak_bytes = 64 << 20;
  auto report = why(ffmpeg, ending);
  REQUIRE_FALSE(report.causes.empty());
  CHECK(report.causes[0].name == "memory limit");
  CHECK(report.causes[0].certainty == Certainty::certain);
  CHECK(report.causes[0].value == "96M");
  // It has ended: nothing is left to be set.
  CHECK(contains(why_text(report), "--memory-max 96M"));
  CHECK_FALSE(contains(why_text(report), "ffrtmp set"));
  ending.oom.own_limit = false;
  CHECK(why(ffmpeg, ending).causes[0].name == "host memory");
  CHECK(why(ffmpeg, ending).causes[0].value.empty());
  ending.oom.parent = "/above";
  CHECK(contains(why(ffmpeg, ending).causes[0].text, "/above"));

  ending = {};
  ending.wait_status = SIGKILL;
  ending.oom.asked = true;
  report = why(ffmpeg, ending);
  CHECK(report.causes[0].name == "SIGKILL");
  CHECK(report.causes[0].certainty == Certainty::likely);
  CHECK(contains(report.sentence, "likely"));
  ending.operator_stopped = true;
  CHECK(why(ffmpeg, ending).causes[0].certainty == Certainty::certain);

  Record timed = ffmpeg;
  timed.timeout_s = 10;
  ending = {};
  ending.wait_status = 255 << 8;
  ending.timed_out = true;
  ending.usage.throttled_periods = 90;
  ending.usage.throttled_s = 5;
  ending.usage.cpu_user_s = 4;
  ending.usage.cpu_system_s = 1;
  ReceiptRow row;
  row.name = "cpu.max";
  row.in_force = {"50%", "50000 100000"};
  row.strength = Strength::enforced;
  timed.receipt.rows = {row};
  report = why(timed, ending);
  REQUIRE(report.causes.size() == 2);
  CHECK(report.causes[0].name == "time limit");
  CHECK(report.causes[1].name == "cpu quota");
  CHECK(report.causes[1].value == "110%");
  CHECK(contains(report.sentence, "throttled"));

  ending = {};
  ending.wait_status = 1 << 8;
  ending.log_tail = {"rtmp://h/app/HUSH: Connection refused"};
  report = why(ffmpeg, ending);
  REQUIRE(report.causes.size() == 1);
  CHECK(report.causes[0].name == "network");
  CHECK(report.causes[0].certainty == Certainty::likely);
  CHECK_FALSE(contains(dump_json(to_json(report)), "HUSH"));
  CHECK_FALSE(contains(why_text(report), "HUSH"));
  // A clean stop is no failure, whatever its last line says.
  ending.wait_status = 255 << 8;
  CHECK(why(ffmpeg, ending).causes.empty());
  ending = {};
  ending.wait_status = 0;
  report = why(ffmpeg, ending);
  CHECK(report.causes.empty());
  CHECK(contains(report.sentence, "finished"));
}

TEST_CASE("a result of wrong types has some account and never throws") {
  for (const std::string text :
       {"{}", "[]", "null", "5", R"({"outcome":7,"killer":[],"signal":"x"})", R"({"signal":99999999999})",
        R"({"outcome":"oom_killed","usage":[],"duration_s":"x"})", R"({"exit_code":-1,"log_tail":[1,null]})",
        R"({"outcome":"timed_out","duration_s":1e300,"media":{"out_time_s":-1e300}})"}) {
    CAPTURE(text);
    CHECK_NOTHROW(why_text(why_it_ended(record_of({}), parse_json(text, "test").value(), {"x"})));
  }
}

TEST_CASE("the report: one sentence first, a command to copy, and a document for machines") {
  Observation seen = fine();
  seen.throttled_share = 0.9;
  seen.throttled_cpus = 1;
  WhyReport report;
  report.job_id = "cam7";
  report.state = "running";
  report.causes = find_causes(seen);
  report.sentence = sentence_of(seen, report.causes);
  report.evidence = evidence_of(seen);
  report.log_tail = {"a\033[31mb"};
  const std::string text = why_text(report);
  CHECK(text.starts_with("job cam7: it is throttled"));
  CHECK(contains(text, "ffrtmp set cam7 --cpu-max 155%"));
  CHECK_FALSE(contains(text, "\033"));
  const Json json = to_json(report);
  CHECK(json["schema"] == 1);
  CHECK(json["causes"][0]["command"] == "ffrtmp set cam7 --cpu-max 155%");
  CHECK(json["causes"][0]["certainty"] == "certain");
  for (const std::string key : {"job_id", "state", "sentence", "evidence", "figures", "log_tail"})
    CHECK_MESSAGE(json.contains(key), key);
}
