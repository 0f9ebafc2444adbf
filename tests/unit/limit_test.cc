#include "cgroup/limit.h"

#include <doctest/doctest.h>

using namespace ffrtmp;

namespace {

/// A refusal must say what would have done, name what was given, and stand on one line.
void check_refused(LimitKind kind, const std::string& text) {
  CAPTURE(std::string(limit_name(kind)));
  CAPTURE(text);
  const auto parsed = parse_limit(kind, text);
  CHECK_FALSE(parsed.has_value());
  if (parsed) return;
  CHECK_FALSE(parsed.error().hint.empty());
  CHECK_FALSE(parsed.error().step.empty());
  CHECK(parsed.error().exit == ExitCode::ours);
  CHECK(parsed.error().message().find('\n') == std::string::npos);
}

}  // namespace

TEST_CASE("cpu.max takes a percentage of one CPU or quota and period") {
  CHECK(*parse_cpu_max("150%") == CpuMax{150'000, 100'000});
  CHECK(*parse_cpu_max("12.5%") == CpuMax{12'500, 100'000});
  CHECK(*parse_cpu_max("1%") == CpuMax{1'000, 100'000});
  CHECK(*parse_cpu_max("50000 100000") == CpuMax{50'000, 100'000});
  CHECK(*parse_cpu_max("  50000   20000 ") == CpuMax{50'000, 20'000});
  CHECK(*parse_cpu_max("150000") == CpuMax{150'000, 100'000});
  CHECK(parse_cpu_max("250%")->cpus() == doctest::Approx(2.5));
}

TEST_CASE("a CPU limit that cannot be is refused with what would do") {
  for (const std::string bad : {"",
                                " ",
                                "0",
                                "0%",
                                "-1",
                                "-50%",
                                "-0%",
                                "%",
                                "abc",
                                "150",
                                "1%%",
                                "1 2 3",
                                "50000 0",
                                "50000 999",
                                "50000 1000001",
                                "999 100000",
                                "0.5%",
                                "50000 -1",
                                "max 100000",
                                "max",
                                "1e3%",
                                "0x10%",
                                "nan%",
                                "inf%",
                                "18446744073709551616 100000",
                                "99999999999999999999%",
                                "100000001%",
                                "18446744073709551615 100000",
                                "50000,100000",
                                "50000/100000",
                                "150 %"})
    check_refused(LimitKind::cpu_max, bad);
}

TEST_CASE("cpus are fractions of whole CPUs and never rounded to nothing") {
  CHECK(*parse_cpus("1.5") == CpuMax{150'000, 100'000});
  CHECK(*parse_cpus("2") == CpuMax{200'000, 100'000});
  CHECK(*parse_cpus("0.01") == CpuMax{1'000, 100'000});
  for (const std::string bad :
       {"", "0", "-1", "0.001", "0.0001", "1.5%", "two", "1,5", "1e1", "99999999999999999999"})
    CHECK_MESSAGE(!parse_cpus(bad), bad);
}

TEST_CASE("the predecessor's --cpu-quota is in percent with or without the sign") {
  CHECK(*parse_cpu_quota_percent("150") == *parse_cpu_quota_percent("150%"));
  CHECK(parse_cpu_quota_percent("50")->quota_us == 50'000);
  for (const std::string bad : {"", "0", "-50", "abc", "%", "150%%"})
    CHECK_MESSAGE(!parse_cpu_quota_percent(bad), bad);
}

TEST_CASE("weights are whole numbers from 1 to 10000") {
  CHECK(parse_weight("1")->value == 1);
  CHECK(parse_weight("10000")->value == 10000);
  for (const LimitKind kind : {LimitKind::cpu_weight, LimitKind::io_weight})
    for (const std::string bad :
         {"", "0", "-1", "10001", "100.5", "1e2", "many", "18446744073709551617", "default 100"})
      check_refused(kind, bad);
}

TEST_CASE("memory limits are sizes, and only swap may be zero") {
  CHECK(std::get<Bytes>(*parse_limit(LimitKind::memory_max, "2G")).count == 2ull << 30);
  CHECK(std::get<Bytes>(*parse_limit(LimitKind::swap_max, "0")).count == 0);
  CHECK(std::get<Bytes>(*parse_limit(LimitKind::swap_max, "64M")).count == 64ull << 20);
  for (const LimitKind kind : {LimitKind::memory_max, LimitKind::memory_high})
    for (const std::string bad :
         {"", "0", "0G", "-1", "-5M", "2X", "two", "9223372036854775808", "8388608T",
          "99999999999999999999999", "1..5G", "1.G", ".5G", "1 G 2", "0x100", "max", "50%"})
      check_refused(kind, bad);
  for (const std::string bad : {"", "-0", "-1", "none"}) check_refused(LimitKind::swap_max, bad);
  CHECK(parse_megabytes("2048")->count == 2ull << 30);
  for (const std::string bad : {"", "0", "-1", "2G", "1.5", "8796093022208", "99999999999999999999"})
    CHECK_MESSAGE(!parse_megabytes(bad), bad);
}

TEST_CASE("pids.max, nice and oom_score_adj keep to the kernel's ranges") {
  CHECK(parse_count("1")->value == 1);
  CHECK(parse_count("4194304")->value == 4'194'304);
  for (const std::string bad : {"", "0", "-1", "4194305", "1.5", "max"})
    check_refused(LimitKind::pids_max, bad);
  CHECK(parse_nice("-20")->value == -20);
  CHECK(parse_nice("+5")->value == 5);
  CHECK(parse_nice("19")->value == 19);
  for (const std::string bad : {"", "-21", "20", "5.0", "--5", "+-5", "low"})
    check_refused(LimitKind::nice, bad);
  CHECK(parse_oom_score("-1000")->value == -1000);
  CHECK(parse_oom_score("1000")->value == 1000);
  for (const std::string bad : {"", "-1001", "1001", "9223372036854775808", "never"})
    check_refused(LimitKind::oom_score_adj, bad);
}

TEST_CASE("ionice knows its classes by name and number, and idle has no level") {
  using Class = IoPriority::Class;
  CHECK(*parse_ionice("idle") == IoPriority{Class::idle, 0});
  CHECK(*parse_ionice("3") == IoPriority{Class::idle, 0});
  CHECK(*parse_ionice("best-effort") == IoPriority{Class::best_effort, 4});
  CHECK(*parse_ionice("best-effort:0") == IoPriority{Class::best_effort, 0});
  CHECK(*parse_ionice("2:7") == IoPriority{Class::best_effort, 7});
  CHECK(*parse_ionice("realtime:2") == IoPriority{Class::realtime, 2});
  for (const std::string bad : {"", "0", "4", "idle:0", "best-effort:8", "best-effort:-1",
                                "best-effort:", "realtime:1:2", "Idle", "best effort", ":3"})
    check_refused(LimitKind::ionice, bad);
}

TEST_CASE("io.max names a disk and its rates, and the disk's path may hold blanks") {
  const auto one = parse_io_max_text("8:0 rbps=100M wiops=500");
  REQUIRE(one.has_value());
  CHECK(one->device == "8:0");
  CHECK(one->rates.rbps == 100ull << 20);
  CHECK(one->rates.wiops == 500u);
  CHECK_FALSE(one->rates.wbps);
  CHECK_FALSE(one->rates.riops);
  CHECK(parse_io_max_text("/mnt/my disk/a wbps=1M")->device == "/mnt/my disk/a");
  CHECK(parse_io_max_text("  /data   wbps=20M  rbps=max ")->device == "/data");
  CHECK(parse_io_max_text("/dev/disk/by-id/a=b wbps=1M")->device == "/dev/disk/by-id/a=b");
  CHECK_FALSE(parse_io_max_text("/data wbps=20M rbps=max")->rates.rbps);
}

TEST_CASE("an io.max that cannot be is refused") {
  for (const std::string bad :
       {"", " ", "/data", "wbps=1M", "/data 1M", "/data wbps", "/data wbps=", "/data wbps=0", "/data wbps=-1",
        "/data wbps=abc", "/data bps=1M", "/data wbps=1M wbps=2M", "/data rbps=max",
        "/data wbps=99999999999999999999", "/data wbps=1M extra", "/data WBPS=1M", "/data =5"}) {
    CAPTURE(bad);
    const auto parsed = parse_io_max_text(bad);
    CHECK_FALSE(parsed.has_value());
    if (!parsed) CHECK_FALSE(parsed.error().hint.empty());
  }
}

TEST_CASE("a disk that is not there is refused by name, whichever way it is named") {
  for (const std::string bad :
       {"4095:1048575 wbps=1M", "/dev/no-such-disk wbps=1M", "/no/such/path wbps=1M", "no-such-disk wbps=1M",
        "99999:0 wbps=1M", "8: wbps=1M", "/dev/null wbps=1M"}) {
    CAPTURE(bad);
    const auto parsed = parse_io_max(bad);
    CHECK_FALSE(parsed.has_value());
    const std::string device = std::string(bad).substr(0, std::string(bad).find(' '));
    if (!parsed) CHECK(parsed.error().message().find(device) != std::string::npos);
  }
  // A file system without a disk: no amount of I/O on it can be limited.
  const auto proc = parse_io_max("/proc wbps=1M");
  REQUIRE_FALSE(proc.has_value());
  CHECK(proc.error().message().find("/proc") != std::string::npos);
  CHECK_FALSE(proc.error().hint.empty());
}

TEST_CASE("every limit has one name and one flag, and either finds it") {
  for (const LimitKind kind : kLimitKinds) {
    CHECK(limit_kind(limit_name(kind)) == kind);
    CHECK(limit_kind(limit_flag(kind)) == kind);
  }
  for (const std::string bad : {"", "cpu", "cpu.", "memory", "CPU.MAX", "cpu.max "})
    CHECK_FALSE(limit_kind(bad));
}

TEST_CASE("every limit is shown to people and written to the kernel in its own form") {
  const auto both = [](LimitKind kind, const LimitValue& value) {
    return format_limit(kind, value) + " | " + v2_text(value);
  };
  CHECK(both(LimitKind::cpu_max, CpuMax{150'000, 100'000}) == "150% | 150000 100000");
  CHECK(both(LimitKind::cpu_max, CpuMax{12'500, 100'000}) == "12.50% | 12500 100000");
  CHECK(both(LimitKind::memory_max, Bytes{1536ull << 20}) == "1.5G | 1610612736");
  CHECK(both(LimitKind::cpuset, CpuList{{0, 1, 2, 5}}) == "0-2,5 | 0-2,5");
  CHECK(both(LimitKind::ionice, IoPriority{IoPriority::Class::idle, 0}) == "idle | idle");
  CHECK(both(LimitKind::ionice, IoPriority{IoPriority::Class::best_effort, 2}) ==
        "best-effort:2 | best-effort:2");
  IoMax io;
  io.device = {8, 16};
  io.wbps = 10ull << 20;
  io.riops = 500;
  CHECK(both(LimitKind::io_max, io) == "8:16 wbps=10M riops=500 | 8:16 wbps=10485760 riops=500");
}

TEST_CASE("what a limit's text in the kernel's form says is the same limit") {
  for (const std::string text : {"1000 1000", "150000 100000", "1000000 1000000"})
    CHECK(v2_text(*parse_cpu_max(text)) == text);
  for (const std::string text : {"1", "100", "10000"}) CHECK(v2_text(*parse_weight(text)) == text);
  for (const std::string text : {"idle", "best-effort:0", "realtime:7"})
    CHECK(v2_text(*parse_ionice(text)) == text);
}
