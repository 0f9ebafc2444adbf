#include "proc/cpu_set.h"

#include <doctest/doctest.h>

#include <set>

using namespace ffrtmp;

TEST_CASE("a CPU list is read as the kernel writes it, and written as it reads it") {
  CHECK(parse_cpu_list("0-3,8")->cpus == std::vector<unsigned>{0, 1, 2, 3, 8});
  CHECK(parse_cpu_list("0\n")->cpus == std::vector<unsigned>{0});
  CHECK(parse_cpu_list("3,1,2,1-2")->cpus == std::vector<unsigned>{1, 2, 3});
  CHECK(parse_cpu_list("8191")->cpus == std::vector<unsigned>{8191});
  CHECK(format_cpu_list(*parse_cpu_list("5,0,1,2,7-8")) == "0-2,5,7-8");
  CHECK(format_cpu_list({{}}) == "");
  CHECK(parse_cpu_list("0-8191")->cpus.size() == 8192);
}

TEST_CASE("what is no CPU list is refused with what would do") {
  for (const std::string bad :
       {"", " ", ",", "0,", ",0", "-", "0-", "-1", "3-1", "1-2-3", "a", "0 1", "0x1", "8192", "0-8192",
        "18446744073709551615", "0-18446744073709551615", "0-3:1/2", "+1"}) {
    CAPTURE(bad);
    const auto parsed = parse_cpu_list(bad);
    CHECK_FALSE(parsed.has_value());
    if (!parsed) CHECK(parsed.error().hint.find("0-3,8") != std::string::npos);
  }
}

namespace {
CpuList upto(unsigned count) {
  CpuList out;
  for (unsigned cpu = 0; cpu < count; cpu++) out.cpus.push_back(cpu);
  return out;
}
}  // namespace

TEST_CASE(
    "few threads get one CPU of each core before the second half of any, where siblings are neighbours") {
  // AMD and virtual machines number the two threads of a core 0,1 2,3 …
  const std::vector<unsigned> core_of{0, 0, 2, 2, 4, 4, 6, 6};
  CHECK(spread_over_cores(upto(8), 4, 0, core_of).cpus == std::vector<unsigned>{0, 2, 4, 6});
  CHECK(spread_over_cores(upto(8), 2, 0, core_of).cpus == std::vector<unsigned>{0, 2});
  CHECK(spread_over_cores(upto(8), 6, 0, core_of).cpus == std::vector<unsigned>{0, 1, 2, 3, 4, 6});
}

TEST_CASE("the same where the siblings are numbered after all the cores") {
  // Intel numbers them 0..3, then 4..7 for their second threads.
  const std::vector<unsigned> core_of{0, 1, 2, 3, 0, 1, 2, 3};
  CHECK(spread_over_cores(upto(8), 4, 0, core_of).cpus == std::vector<unsigned>{0, 1, 2, 3});
  CHECK(spread_over_cores(upto(8), 2, 6, core_of).cpus == std::vector<unsigned>{6, 7});
  CHECK(spread_over_cores(upto(8), 4, 2, core_of).cpus == std::vector<unsigned>{2, 3, 4, 5});
}

TEST_CASE("job after job starts at another CPU, and every one gets its turn") {
  const std::vector<unsigned> core_of{0, 0, 2, 2, 4, 4, 6, 6};
  std::vector<unsigned> used(8);
  for (unsigned start = 0; start < 8; start++) {
    const auto got = spread_over_cores(upto(8), 2, start, core_of);
    REQUIRE(got.cpus.size() == 2);
    CHECK(core_of[got.cpus[0]] != core_of[got.cpus[1]]);
    for (const unsigned cpu : got.cpus) used[cpu]++;
  }
  for (const unsigned times : used) CHECK(times > 0);
  CHECK(spread_over_cores(upto(8), 3, 5, core_of) == spread_over_cores(upto(8), 3, 5 + 8, core_of));
  CHECK(spread_over_cores(upto(8), 3, 4'294'967'295u, core_of).cpus.size() == 3);
}

TEST_CASE("only allowed CPUs are given, never more than there are, and without topology each is a core") {
  const CpuList allowed{{2, 3, 9}};
  CHECK(spread_over_cores(allowed, 9, 1, {}) == allowed);
  CHECK(spread_over_cores(allowed, 2, 2, {}).cpus == std::vector<unsigned>{2, 9});
  CHECK(spread_over_cores(allowed, 0, 0, {}).cpus.empty());
  CHECK(spread_over_cores({}, 3, 1, {}).cpus.empty());
}

TEST_CASE("this host's own topology gives as many CPUs as asked, all of them ours") {
  const auto allowed = affinity_of(0);
  REQUIRE(allowed.has_value());
  REQUIRE_FALSE(allowed->cpus.empty());
  for (unsigned count = 1; count <= allowed->cpus.size(); count++) {
    const auto got = spread_over_cores(*allowed, count, 3);
    CHECK(got.cpus.size() == count);
    const std::set<unsigned> ours(allowed->cpus.begin(), allowed->cpus.end());
    for (const unsigned cpu : got.cpus) CHECK(ours.contains(cpu));
  }
}

TEST_CASE("affinity that is set reads back, and a CPU that is not there is an error") {
  const auto before = affinity_of(0);
  REQUIRE(before.has_value());
  const CpuList one{{before->cpus.back()}};
  REQUIRE(set_affinity(0, one).has_value());
  CHECK(*affinity_of(0) == one);
  REQUIRE(set_affinity(0, *before).has_value());
  CHECK(*affinity_of(0) == *before);
  CHECK_FALSE(set_affinity(0, {{8191}}).has_value());
  CHECK(*affinity_of(0) == *before);
  CHECK_FALSE(affinity_of(0x7ffffff0).has_value());
}
