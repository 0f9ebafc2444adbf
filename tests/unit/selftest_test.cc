#include <doctest/doctest.h>
#include <signal.h>

#include "selftest/trial.h"

using namespace ffrtmp;

namespace {

using enum Trial::Verdict;

DummyRun run_under(LimitKind kind, Json told, Strength strength = Strength::enforced) {
  DummyRun run;
  ReceiptRow row;
  row.name = limit_name(kind);
  row.strength = strength;
  row.mechanism = "affinity";
  row.why = "no cpu controller";
  run.record.receipt.rows = {row};
  run.told = std::move(told);
  return run;
}

}  // namespace

TEST_CASE("a limit that is not in force is absent with its reason, whatever was measured") {
  for (const Strength strength : {Strength::advisory, Strength::none}) {
    const auto run = run_under(LimitKind::cpu_max, {{"cpu_s", 0.1}, {"wall_s", 1.0}}, strength);
    const Trial trial = judge_cpu(run, CpuMax{20'000, 100'000});
    CHECK(trial.verdict == absent);
    CHECK(trial.text.find("no cpu controller") != std::string::npos);
  }
  CHECK(judge_pids(DummyRun{}, 8, 20).verdict == absent);
}

TEST_CASE(
    "cpu.max bites when it throttled and held, fails when more was used, and is not told when nothing "
    "pressed") {
  const CpuMax quota{20'000, 100'000};
  const auto judged = [&](double used, uint64_t throttled) {
    auto run = run_under(LimitKind::cpu_max, {{"cpu_s", used}, {"wall_s", 1.0}});
    run.ending.usage.throttled_periods = throttled;
    return judge_cpu(run, quota).verdict;
  };
  CHECK(judged(0.2, 10) == bites);
  CHECK(judged(0.95, 0) == fails);
  CHECK(judged(0.95, 10) == fails);
  CHECK(judged(0.05, 0) == absent);
  CHECK(judge_cpu(run_under(LimitKind::cpu_max, nullptr), quota).verdict == fails);
}

TEST_CASE("memory.max bites by the verdict of its own limit only") {
  auto run = run_under(LimitKind::memory_max, nullptr);
  run.verdict.outcome = Outcome::oom_killed;
  run.verdict.killer = "own limit";
  CHECK(judge_memory_max(run, Bytes{32 << 20}).verdict == bites);
  run.verdict.killer = "host";
  CHECK(judge_memory_max(run, Bytes{32 << 20}).verdict == fails);
  run.verdict.outcome = Outcome::exited;
  run.told = {{"touched", 64 << 20}};
  CHECK(judge_memory_max(run, Bytes{32 << 20}).verdict == fails);
}

TEST_CASE("memory.high bites when the file went past it and the peak did not") {
  const Bytes limit{12 << 20}, written{40 << 20};
  auto run = run_under(LimitKind::memory_high, {{"written", 40 << 20}});
  CHECK(judge_memory_high(run, limit, written).verdict == absent);  // no peak told
  run.ending.usage.memory_peak_bytes = 14 << 20;
  CHECK(judge_memory_high(run, limit, written).verdict == bites);
  run.ending.usage.memory_peak_bytes = 41 << 20;
  CHECK(judge_memory_high(run, limit, written).verdict == fails);
  run.told = {{"written", 1 << 20}};
  CHECK(judge_memory_high(run, limit, written).verdict == absent);
}

TEST_CASE("pids.max bites when the kernel refused at the limit, not for another reason") {
  const auto judged = [](uint64_t children, int error) {
    return judge_pids(run_under(LimitKind::pids_max,
                                {{"children", children}, {"errno", static_cast<unsigned>(error)}}),
                      8, 20)
        .verdict;
  };
  CHECK(judged(7, EAGAIN) == bites);
  CHECK(judged(20, 0) == fails);
  CHECK(judged(7, ENOMEM) == fails);
  CHECK(judged(12, EAGAIN) == fails);
}

TEST_CASE("io.max bites at its rate, fails above it, and is not told by a disk that is slower") {
  IoMax limit;
  limit.device = {8, 0};
  limit.wbps = 2 << 20;
  const auto judged = [&](double written, int error) {
    return judge_io(
               run_under(LimitKind::io_max,
                         {{"written", written}, {"wall_s", 1.5}, {"errno", static_cast<unsigned>(error)}}),
               limit, "/d")
        .verdict;
  };
  CHECK(judged(3 << 20, 0) == bites);
  CHECK(judged(32 << 20, 0) == fails);
  CHECK(judged(1 << 20, 0) == absent);
  CHECK(judged(0, EINVAL) == absent);
}

TEST_CASE("settings, cpuset and the time limit are what the dummy found, not what was asked") {
  CHECK(judge_cpuset(run_under(LimitKind::cpuset, {{"cpus", "1"}}), CpuList{{1}}).verdict == bites);
  CHECK(judge_cpuset(run_under(LimitKind::cpuset, {{"cpus", "0-1"}}), CpuList{{1}}).verdict == fails);
  CHECK(judge_setting(run_under(LimitKind::nice, {{"nice", 5}}), LimitKind::nice, "5", "nice", 5).verdict ==
        bites);
  CHECK(judge_setting(run_under(LimitKind::nice, {{"nice", 0}}), LimitKind::nice, "5", "nice", 5).verdict ==
        fails);
  CHECK(judge_setting(run_under(LimitKind::nice, nullptr), LimitKind::nice, "5", "nice", 5).verdict == fails);
  DummyRun run;
  run.verdict.outcome = Outcome::timed_out;
  CHECK(judge_timeout(run, std::chrono::seconds(1)).verdict == bites);
  run.verdict.outcome = Outcome::exited;
  CHECK(judge_timeout(run, std::chrono::seconds(1)).verdict == fails);
}
