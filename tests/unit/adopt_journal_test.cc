#include <doctest/doctest.h>

#include "adopt/journal.h"
#include "adopt/present.h"
#include "adopt/restore.h"
#include "adopt/unit_limits.h"
#include "cgroup/kernel_files.h"
#include "fake.h"

using namespace ffrtmp;

namespace {

const ProcessIdentity kProcess{4711, 99, "boot"};

std::vector<Step> one_of_each() {
  return {LeafStep{"job", {{"/cg", "/ffrtmp/job", 0}}},
          MoveStep{{{kProcess, "/cg", "/old", "/ffrtmp/job"}}},
          ControlStep{{"/cg", "/ffrtmp/job", 7}, {ControlText{"cpu.max", "max 100000"}}, std::nullopt},
          ControlStep{{"/cg", "/ffrtmp/job", 7},
                      {ControlText{"memory.max", "max"}},
                      std::vector<ControlText>{ControlText{"memory.max", "4096"}}},
          UnitStep{"--system", "x.service", Json::array({Json::array({"MemoryMax", UINT64_MAX})}),
                   Json::array({Json::array({"MemoryMax", 4096u})})},
          ThreadStep{kProcess, ThreadSetting::affinity, {{{4711, 99}, "0-3"}, {{4712, 100}, "1"}}, "0"},
          OomStep{kProcess, 0, -1000}};
}

}  // namespace

TEST_CASE("a journal comes back from disk as it was written") {
  const fake::Dir dir;
  const Fd folder = dir.open();
  {
    Journal journal = Journal::open(folder.get()).value();
    CHECK(journal.steps().empty());
    for (const auto& step : one_of_each()) REQUIRE(journal.add(step).has_value());
  }
  Journal again = Journal::open(folder.get()).value();
  CHECK(again.steps() == one_of_each());
  auto control = std::get<ControlStep>(again.steps()[2]);
  REQUIRE(again.cut(3).has_value());
  control.after = {ControlText{"cpu.max", "50000 100000"}};
  REQUIRE(again.amend(control).has_value());
  CHECK(std::get<ControlStep>(Journal::open(folder.get())->steps().back()).after->front().text ==
        "50000 100000");
  REQUIRE(again.cut(0).has_value());
  CHECK(Journal::open(folder.get())->steps().empty());
}

TEST_CASE("a step is on disk before add() returns, and not remembered when it could not be written") {
  const fake::Dir dir;
  const Fd folder = dir.open();
  Journal journal = Journal::open(folder.get()).value();
  REQUIRE(journal.add(OomStep{kProcess, 1, 2}).has_value());
  CHECK(dir.text(kJournalFile).contains("oom_score_adj"));
  std::filesystem::remove_all(dir.path());
  CHECK_FALSE(journal.add(OomStep{kProcess, 3, 4}).has_value());
  CHECK(journal.steps().size() == 1);
}

TEST_CASE("what we would not have written is no journal") {
  for (
      const char* text : {
          R"([])",
          R"({"schema":2,"steps":[]})",
          R"({"schema":1})",
          R"({"schema":1,"steps":[{}]})",
          R"({"schema":1,"steps":[{"step":"dance"}]})",
          R"({"schema":1,"steps":[{"step":"leaf","name":"j","places":[{"mount":"/cg","path":"/a/../b","id":0}]}]})",
          R"({"schema":1,"steps":[{"step":"leaf","name":"j","places":[{"mount":"cg","path":"/a","id":0}]}]})",
          R"({"schema":1,"steps":[{"step":"control","place":{"mount":"/cg","path":"/a","id":1},"before":[{"file":"../x","text":"1"}],"after":null}]})",
          R"({"schema":1,"steps":[{"step":"oom_score_adj","process":{"pid":0,"start_ticks":1,"boot_id":"b"},"before":0,"after":0}]})",
          R"({"schema":1,"steps":[{"step":"oom_score_adj","process":{"pid":4294967297,"start_ticks":1,"boot_id":"b"},"before":0,"after":0}]})",
          R"({"schema":1,"steps":[{"step":"oom_score_adj","process":{"pid":5,"start_ticks":1,"boot_id":"b"},"before":0,"after":1001}]})",
          R"({"schema":1,"steps":[{"step":"threads","process":{"pid":5,"start_ticks":1,"boot_id":"b"},"setting":"mood","threads":[],"after":"1"}]})",
          R"({"schema":1,"steps":[{"step":"unit","manager":"--system","unit":"x","before":[1],"after":[]}]})",
      }) {
    CAPTURE(text);
    CHECK_FALSE(steps_from_json(Json::parse(text)).has_value());
  }
}

TEST_CASE("what a control file has now is read in the form of what is compared with it") {
  const fake::Dir dir;
  dir.file("io.max", "8:0 rbps=1 wbps=max riops=max wiops=max\n8:16 rbps=2 wbps=max riops=max wiops=max\n");
  dir.file("io.weight", "default 100\n8:0 50\n");
  dir.file("cpuset.cpus", "\n");
  dir.file("cpu.max", "max 100000\n");
  dir.file("blkio.throttle.read_bps_device", "8:0 77\n");
  const Fd at = dir.open();
  const auto now = [&](const char* file, const char* like) {
    return present_text(at.get(), {file, like}).value();
  };
  CHECK(now("io.max", "8:16 rbps=9 wbps=max riops=max wiops=max") ==
        "8:16 rbps=2 wbps=max riops=max wiops=max");
  CHECK(now("io.max", "9:0 rbps=9") == "9:0 rbps=max wbps=max riops=max wiops=max");
  CHECK(now("io.weight", "default 5") == "default 100");
  CHECK(now("cpuset.cpus", "0-1") == "\n");
  CHECK(now("cpu.max", "x") == "max 100000");
  CHECK(now("blkio.throttle.read_bps_device", "8:0 1") == "8:0 77");
  CHECK(now("blkio.throttle.read_bps_device", "8:16 1") == "8:16 0");
  CHECK_FALSE(present_text(at.get(), {"absent", "1"}).has_value());
}

namespace {

/// A host with one v2 hierarchy on disk and a cgroup /job in it.
struct FakeHost {
  fake::Dir dir;
  Host host;
  FakeHost() {
    Hierarchy v2;
    v2.mount_point = dir.path();
    v2.mount_root = "/";
    v2.names = {"cpu", "memory", "pids"};
    host.hierarchies.push_back(v2);
    host.kind = Host::Kind::unified;
    dir.file("job/cpu.max", "50000 100000\n");
    dir.file("job/pids.max", "10\n");
  }
  uint64_t id() const {
    Leaf leaf;
    leaf.dirs.push_back(open_cgroup(host.hierarchies[0], "/job").value());
    return places_of(leaf).front().id;
  }
  ControlStep step(const char* file, const char* before, const char* after) const {
    ControlStep out{{dir.path(), "/job", id()}, {ControlText{file, before}}, std::nullopt};
    if (after) out.after = {ControlText{file, after}};
    return out;
  }
};

}  // namespace

TEST_CASE("replaying a journal gives control files their first values, the last change first") {
  const FakeHost fake;
  const std::vector<Step> steps = {fake.step("cpu.max", "max 100000", "80000 100000"),
                                   fake.step("pids.max", "max", "10"),
                                   fake.step("cpu.max", "80000 100000", "50000 100000")};
  CHECK(conflicts(fake.host, steps).empty());
  const auto report = restore(fake.host, steps, false);
  CHECK(report.left.empty());
  CHECK(fake.dir.text("job/cpu.max").starts_with("max 100000"));
  CHECK(fake.dir.text("job/pids.max").starts_with("max"));
  CHECK(restore(fake.host, steps, false).left.empty());  // once more changes nothing
  // From the third step on only that one is undone.
  fake.dir.file("job/cpu.max", "50000 100000\n");
  restore(fake.host, steps, false, 2);
  CHECK(fake.dir.text("job/cpu.max").starts_with("80000"));
}

TEST_CASE("a value that somebody else has written is a conflict, one that is as before is none") {
  const FakeHost fake;
  const std::vector<Step> steps = {fake.step("cpu.max", "max 100000", "80000 100000")};
  const auto found = conflicts(fake.host, steps);
  REQUIRE(found.size() == 1);
  CHECK(found[0].now == "50000 100000");
  CHECK(found[0].ours == "80000 100000");
  CHECK(found[0].before == "max 100000");
  CHECK(found[0].what == "cpu.max of /job");
  CHECK(conflicts(fake.host, {fake.step("cpu.max", "50000 100000", "80000 100000")}).empty());
  // A step that was not finished says nothing about what we made of it.
  CHECK(conflicts(fake.host, {fake.step("cpu.max", "max 100000", nullptr)}).empty());
}

TEST_CASE("a cgroup that has another's name now is left alone") {
  const FakeHost fake;
  auto step = fake.step("cpu.max", "max 100000", "50000 100000");
  step.place.id += 1;
  restore(fake.host, {step}, true);
  CHECK(fake.dir.text("job/cpu.max") == "50000 100000\n");
}

TEST_CASE("limits in systemd's words, and back") {
  const auto words = [](LimitKind kind, LimitValue value) {
    return unit_properties_of({kind, std::move(value), ""}).value();
  };
  CHECK(words(LimitKind::cpu_max, CpuMax{150'000, 100'000}) ==
        Json::parse(R"([["CPUQuotaPeriodUSec",100000],["CPUQuotaPerSecUSec",1500000]])"));
  CHECK(words(LimitKind::memory_max, Bytes{4096}) == Json::parse(R"([["MemoryMax",4096]])"));
  CHECK(words(LimitKind::cpuset, CpuList{{0, 9}}) == Json::parse(R"([["AllowedCPUs",[1,2]]])"));
  IoMax io;
  io.device = {250, 9};
  io.asked_as = "/data";
  io.wbps = 5;
  CHECK(words(LimitKind::io_max, io) == Json::parse(R"([["IOWriteBandwidthMax",[["/data",5]]]])"));
  CHECK_FALSE(unit_properties_of({LimitKind::nice, Nice{1}, ""}).has_value());
  CHECK(
      undo_properties(Json::parse(
          R"([["MemoryMax",1],["IOReadIOPSMax",[["/a",2]]],["IOWriteIOPSMax",[]],["AllowedCPUs",[]]])")) ==
      Json::parse(
          R"([["MemoryMax",1],["IOReadIOPSMax",[]],["IOReadIOPSMax",[["/a",2]]],["IOWriteIOPSMax",[]],["AllowedCPUs",[]]])"));
}
