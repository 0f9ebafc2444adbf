#include "jobs/result.h"

#include <doctest/doctest.h>
#include <signal.h>

#include "jobs/exit_meaning.h"

using namespace ffrtmp;

namespace {

int exited(int code) { return code << 8; }  // wait(2)
int killed(int signal, bool core = false) { return signal | (core ? 0x80 : 0); }

Record record_of(std::vector<std::string> command) {
  Record record;
  record.job_id = "job";
  record.command = std::move(command);
  return record;
}
Record ffmpeg() { return record_of({"/usr/bin/ffmpeg", "-i", "in.mp4", "out.mp4"}); }

Ending ended(std::optional<int> status) {
  Ending ending;
  ending.wait_status = status;
  return ending;
}

Json result_of(const Record& record, const Ending& ending) {
  return make_result(record, ending, judge(record, ending));
}

}  // namespace

TEST_CASE("a clean exit is exited with code 0 and nobody to blame") {
  const auto verdict = judge(ffmpeg(), ended(exited(0)));
  CHECK(verdict.outcome == Outcome::exited);
  CHECK(verdict.exit_code == 0);
  CHECK_FALSE(verdict.signal);
  CHECK(verdict.killer.empty());
  CHECK(verdict.reason.find("finished") != std::string::npos);
  CHECK(exit_code_of(verdict) == 0);
}

TEST_CASE("FFmpeg's exit codes are told in its own meaning") {
  const auto reason = [](int code) { return judge(ffmpeg(), ended(exited(code))).reason; };
  CHECK(reason(255).find("told to stop") != std::string::npos);
  CHECK(reason(123).find("more than three signals") != std::string::npos);
  CHECK(reason(254).find("No such file or directory") != std::string::npos);  // 256 - ENOENT
  CHECK(reason(183).find("invalid data") != std::string::npos);
  CHECK(reason(1).find("failed") != std::string::npos);
  for (const int code : {0, 1, 123, 183, 254, 255}) {
    const auto verdict = judge(ffmpeg(), ended(exited(code)));
    CHECK(verdict.outcome == Outcome::exited);
    CHECK(exit_code_of(verdict) == code);
    CHECK(verdict.reason.find(std::to_string(code)) != std::string::npos);
  }
  // The same numbers mean nothing of the kind from another program.
  CHECK(judge(record_of({"cp"}), ended(exited(255))).reason.find("told to stop") == std::string::npos);
  CHECK(judge(record_of({"gst-launch-1.0"}), ended(exited(255))).reason.find("pipeline") !=
        std::string::npos);
  CHECK(judge(record_of({"sh"}), ended(exited(137))).reason.find("SIGKILL") != std::string::npos);
}

TEST_CASE("programs are known by their own names") {
  for (const std::string yes : {"ffmpeg", "/opt/x/ffmpeg", "ffmpeg-7.1", "ffmpeg.real"})
    CHECK_MESSAGE(is_ffmpeg(yes), yes);
  for (const std::string no : {"", "ffmpegs", "ffprobe", "/opt/ffmpeg/run.sh", "ffmpeg/"})
    CHECK_MESSAGE(!is_ffmpeg(no), no);
  CHECK(is_gstreamer("/usr/bin/gst-launch-1.0"));
  CHECK_FALSE(is_gstreamer("gst-inspect-1.0"));
  CHECK(is_clean_stop("ffmpeg", 255));
  CHECK_FALSE(is_clean_stop("ffmpeg", 123));
  CHECK_FALSE(is_clean_stop("cp", 255));
}

TEST_CASE("a failure's last log line is quoted, with its secrets hidden, and a clean stop's is not") {
  Ending ending = ended(exited(1));
  ending.log_tail = {"first", "rtmp://h/app/HUSH: Connection refused"};
  const auto verdict = judge(ffmpeg(), ending);
  CHECK(verdict.reason.find("Connection refused") != std::string::npos);
  CHECK(verdict.reason.find("HUSH") == std::string::npos);
  ending.wait_status = exited(255);
  CHECK(judge(ffmpeg(), ending).reason.find("Connection refused") == std::string::npos);
}

TEST_CASE("a death by signal is 128 + n, with who may have sent it") {
  const auto term = judge(ffmpeg(), ended(killed(SIGTERM)));
  CHECK(term.outcome == Outcome::signaled);
  CHECK(term.signal == SIGTERM);
  CHECK_FALSE(term.exit_code);
  CHECK(term.killer == "unknown");
  CHECK(exit_code_of(term) == 128 + SIGTERM);
  // Without a counter of the kernel it is no OOM kill; that it was none is said only where the counter could
  // be asked.
  Ending killed_hard = ended(killed(SIGKILL));
  for (const bool asked : {true, false}) {
    killed_hard.oom.asked = asked;
    const auto kill = judge(ffmpeg(), killed_hard);
    CHECK(kill.outcome == Outcome::signaled);
    CHECK((kill.reason.find("no memory limit") != std::string::npos) == asked);
    CHECK(exit_code_of(kill) == 137);
  }
  const auto crash = judge(ffmpeg(), ended(killed(SIGSEGV, true)));
  CHECK(crash.core_dumped);
  CHECK(crash.killer.empty());
  CHECK(crash.reason.find("crashed") != std::string::npos);
  CHECK_FALSE(judge(ffmpeg(), ended(killed(SIGABRT))).core_dumped);
  CHECK(judge(ffmpeg(), ended(killed(34))).reason.find("34") !=
        std::string::npos);  // a real-time signal has no name
}

TEST_CASE("an OOM kill is told by the kernel's counters: own limit, a parent's, or the host's") {
  Ending ending = ended(killed(SIGKILL));
  ending.oom.kills = 1;
  ending.oom.own_limit = true;
  auto verdict = judge(ffmpeg(), ending);
  CHECK(verdict.outcome == Outcome::oom_killed);
  CHECK(verdict.killer == "own limit");
  CHECK(verdict.signal == SIGKILL);
  CHECK(exit_code_of(verdict) == 137);
  ending.oom.own_limit = false;
  ending.oom.parent = "/ffrtmp.slice";
  verdict = judge(ffmpeg(), ending);
  CHECK(verdict.killer == "parent limit");
  CHECK(verdict.reason.find("/ffrtmp.slice") != std::string::npos);
  ending.oom.parent.clear();
  CHECK(judge(ffmpeg(), ending).killer == "host");
  // A shell that outlived its killed child passes 137 on; the counter is the evidence.
  ending.wait_status = exited(137);
  ending.oom.own_limit = true;
  verdict = judge(record_of({"sh", "-c", "ffmpeg"}), ending);
  CHECK(verdict.outcome == Outcome::oom_killed);
  CHECK(verdict.exit_code == 137);
  CHECK(exit_code_of(verdict) == 137);
}

TEST_CASE("a kill by systemd-oomd is told by its mark, and by nothing else") {
  Ending ending = ended(killed(SIGKILL));
  ending.oom.asked = true;
  ending.oom.oomd = "/ffrtmp.slice/ffrtmp-jobs.scope/job";
  auto verdict = judge(ffmpeg(), ending);
  CHECK(verdict.outcome == Outcome::oom_killed);
  CHECK(verdict.killer == "systemd-oomd");
  CHECK(verdict.reason.find(ending.oom.oomd) != std::string::npos);
  CHECK(result_of(ffmpeg(), ending)["platform_sla"]["compliant"] == false);
  // The kernel's own counter outranks it, and another end is another end.
  ending.oom.kills = 1;
  ending.oom.own_limit = true;
  CHECK(judge(ffmpeg(), ending).killer == "own limit");
  ending.oom.kills = 0;
  ending.wait_status = killed(SIGSEGV);
  CHECK(judge(ffmpeg(), ending).outcome == Outcome::signaled);
}

TEST_CASE("an OOM kill of a child that the workload survived, or another signal, is no OOM end") {
  Ending ending = ended(exited(0));
  ending.oom.kills = 1;
  ending.oom.own_limit = true;
  CHECK(judge(ffmpeg(), ending).outcome == Outcome::exited);
  CHECK(exit_code_of(judge(ffmpeg(), ending)) == 0);
  ending.wait_status = killed(SIGSEGV);
  CHECK(judge(ffmpeg(), ending).outcome == Outcome::signaled);
}

TEST_CASE("a time limit that was ours is 124 whatever the workload made of its signal") {
  for (const int status : {exited(0), exited(255), killed(SIGINT), killed(SIGKILL)}) {
    Ending ending = ended(status);
    ending.timed_out = true;
    const auto verdict = judge(ffmpeg(), ending);
    CHECK(verdict.outcome == Outcome::timed_out);
    CHECK(verdict.killer == "own limit");
    CHECK(exit_code_of(verdict) == 124);
  }
}

TEST_CASE("an operator's stop is told as such") {
  Ending ending = ended(exited(255));
  ending.operator_stopped = true;
  auto verdict = judge(ffmpeg(), ending);
  CHECK(verdict.outcome == Outcome::exited);
  CHECK(verdict.killer == "operator");
  CHECK(exit_code_of(verdict) == 255);
  ending.wait_status = killed(SIGKILL);
  verdict = judge(ffmpeg(), ending);
  CHECK(verdict.killer == "operator");
  CHECK(verdict.reason.find("operator") != std::string::npos);
}

TEST_CASE("letting go is detached, and an end that nobody saw is lost") {
  Ending ending;
  ending.detached_by = SIGTERM;
  auto verdict = judge(ffmpeg(), ending);
  CHECK(verdict.outcome == Outcome::detached);
  CHECK_FALSE(verdict.exit_code);
  CHECK(verdict.reason.find("SIGTERM") != std::string::npos);
  verdict = judge(ffmpeg(), ended(std::nullopt));
  CHECK(verdict.outcome == Outcome::lost);
  CHECK_FALSE(verdict.exit_code);
  CHECK(lost_result(ffmpeg())["outcome"] == "lost");
  CHECK(exit_code_of_result(lost_result(ffmpeg())) == 125);
}

TEST_CASE("a record without a command can be judged too") {
  for (const auto& status :
       {std::optional<int>(), std::optional<int>(exited(3)), std::optional<int>(killed(SIGKILL))})
    CHECK_FALSE(judge(Record{}, ended(status)).reason.empty());
}

TEST_CASE("the result has all that its schema promises, with secrets hidden") {
  Record record = record_of({"ffmpeg", "-i", "rtsp://u:HUSH@cam/1", "-f", "flv", "rtmp://h/app/HUSH"});
  record.workload = ProcessIdentity{42, 4711, "boot"};
  record.started_at = parse_rfc3339("2026-01-31T08:15:30.125Z");
  Ending ending = ended(exited(1));
  ending.ended_at = parse_rfc3339("2026-01-31T08:15:32.125Z");
  ending.duration = std::chrono::seconds(2);
  ending.log_tail = {"rtmp://h/app/HUSH: Broken pipe"};
  ending.usage.cpu_user_s = 1.5;
  ending.usage.memory_peak_bytes = 1 << 20;
  const Json result = result_of(record, ending);
  CHECK(result["schema"] == 1);
  for (const std::string key : {"job_id", "mode", "command", "identity", "started_at", "ended_at",
                                "duration_s", "outcome", "exit_code", "signal", "core_dumped", "reason",
                                "killer", "receipt", "usage", "media", "platform_sla"})
    CHECK_MESSAGE(result.contains(key), key);
  for (const std::string key : {"cpu_user_s", "cpu_system_s", "throttled_s", "memory_peak_bytes",
                                "io_read_bytes", "io_write_bytes", "pressure"})
    CHECK_MESSAGE(result["usage"].contains(key), key);
  CHECK(dump_json(result).find("HUSH") == std::string::npos);
  CHECK(result["started_at"] == "2026-01-31T08:15:30.125Z");
  CHECK(result["duration_s"] == 2.0);
  CHECK(result["identity"]["pid"] == 42);
  CHECK(result["signal"].is_null());
  CHECK(result["usage"]["io_read_bytes"].is_null());  // not had is null, never 0
  CHECK(exit_code_of_result(result) == 1);
}

TEST_CASE("a stored result stands for the code that the run gave") {
  const auto round = [](const Ending& ending) {
    const auto verdict = judge(ffmpeg(), ending);
    return std::pair(exit_code_of(verdict), exit_code_of_result(make_result(ffmpeg(), ending, verdict)));
  };
  for (const int status : {exited(0), exited(1), exited(255), killed(SIGKILL), killed(SIGTERM)}) {
    Ending ending = ended(status);
    CHECK(round(ending).first == round(ending).second);
    ending.timed_out = true;
    CHECK(round(ending).second == 124);
  }
}

TEST_CASE("a result of wrong types has some exit code and never throws") {
  for (const std::string text :
       {"{}", "[]", "null", "5", "\"x\"", R"({"outcome":7})", R"({"outcome":null})",
        R"({"exit_code":"0","signal":"x"})", R"({"exit_code":1.5})", R"({"exit_code":[]})",
        R"({"exit_code":99999999999})", R"({"outcome":["timed_out"],"signal":{}})"}) {
    CAPTURE(text);
    CHECK_NOTHROW(exit_code_of_result(parse_json(text, "test").value()));
  }
}

TEST_CASE("the platform's side of the bargain is judged from evidence only") {
  const auto sla = [](Record record, Ending ending) { return result_of(record, ending)["platform_sla"]; };
  Record record = ffmpeg();
  CHECK(sla(record, ended(exited(0)))["compliant"] == true);
  CHECK(sla(record, ended(exited(1)))["compliant"] == true);  // its own failure
  CHECK(sla(record, ended(killed(SIGSEGV)))["compliant"] == true);
  CHECK(sla(record, ended(killed(SIGTERM)))["compliant"].is_null());  // from outside, nobody knows who
  CHECK(sla(record, ended(std::nullopt))["compliant"].is_null());
  Ending ending = ended(killed(SIGKILL));
  ending.oom.kills = 1;
  CHECK(sla(record, ending)["compliant"] == false);  // the host ran out of memory
  ending.oom.parent = "/above";
  CHECK(sla(record, ending)["compliant"] == false);
  ending.oom.own_limit = true;
  CHECK(sla(record, ending)["compliant"] == true);  // the operator's own limit
  ending = ended(exited(0));
  ending.timed_out = true;
  CHECK(sla(record, ending)["compliant"] == true);
  Ending detached;
  detached.detached_by = SIGHUP;
  CHECK(sla(record, detached)["compliant"].is_null());
  ReceiptRow row;
  row.name = "io.max";
  row.strength = Strength::advisory;
  record.receipt.rows = {row};
  const Json weaker = sla(record, ended(exited(0)));
  CHECK(weaker["compliant"] == false);
  CHECK(weaker["reason"].get<std::string>().find("io.max") != std::string::npos);
  record.receipt.rows[0].strength = Strength::enforced;
  CHECK(sla(record, ended(exited(0)))["compliant"] == true);
}
