#include "cgroup/govern.h"

#include <doctest/doctest.h>
#include <fcntl.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>

#include "cgroup/kernel_files.h"
#include "fake.h"

using namespace ffrtmp;

namespace {

Limit limit(LimitKind kind, const std::string& text) {
  return {kind, parse_limit(kind, text).value(), "flag"};
}

const ReceiptRow& row_of(const std::vector<ReceiptRow>& rows, const std::string& name) {
  for (const auto& row : rows)
    if (row.name == name) return row;
  FAIL("no row " << name);
  return rows.front();
}
const ReceiptRow& row_of(const Governed& governed, LimitKind kind) {
  for (const auto& planned : governed.rows)
    if (planned.kind == kind) return planned.row;
  FAIL("no such row");
  return governed.rows.front().row;
}

using Settings = std::array<SettingOutcome, kSettingCount>;
SettingOutcome& of(Settings& settings, Setting setting) { return settings[static_cast<size_t>(setting)]; }

/// A v2 leaf on disk with these files in it.
struct FakeLeaf {
  fake::Dir dir;
  Base base;
  Leaf leaf;
  explicit FakeLeaf(const std::vector<std::string>& files) {
    dir.folder("job");
    for (const auto& file : files) dir.file("job/" + file, "");
    leaf.name = "job";
    leaf.dirs.push_back(cgroup("/job", "job"));
    base.kind = PlacementKind::root;
    base.dirs.push_back(cgroup("/", "."));
  }
  CgroupDir cgroup(const std::string& path, const std::string& folder) const {
    CgroupDir out;
    out.hierarchy.names = {"cpu", "cpuset", "memory", "io", "pids"};
    out.hierarchy.mount_point = dir.path();
    out.hierarchy.mount_root = "/";
    out.path = path;
    out.fd = dir.open(folder);
    return out;
  }
};

}  // namespace

TEST_CASE("a limit that a cgroup holds is enforced, with asked, in force, effective and mechanism") {
  FakeLeaf fake({kMemoryMax, kMemoryOomGroup, kPidsMax});
  fake.dir.file("memory.max", "536870912\n");  // above it
  SpawnPlan plan;
  const auto governed = apply_limits(
      &fake.base, &fake.leaf, {limit(LimitKind::memory_max, "1G"), limit(LimitKind::pids_max, "64")}, plan);
  const auto rows = finish_rows(governed, {});
  const auto& memory = row_of(rows, "memory.max");
  CHECK(memory.asked == ShownValue{"1G", "1073741824"});
  CHECK(memory.in_force == ShownValue{"1G", "1073741824"});
  CHECK(memory.effective == ShownValue{"512M", "536870912"});
  CHECK(memory.strength == Strength::enforced);
  CHECK(memory.mechanism == "cgroup v2 memory.max");
  CHECK(memory.why.find("tighter") != std::string::npos);
  CHECK(memory.origin == "flag");
  const auto& pids = row_of(rows, "pids.max");
  CHECK(pids.strength == Strength::enforced);
  CHECK(pids.why.empty());
  // Nothing of the ladder beside it.
  CHECK_FALSE(plan.data_limit);
  CHECK_FALSE(plan.nice);
}

TEST_CASE("a value that was written and reads back as no limit is not claimed") {
  FakeLeaf fake({});
  fake.dir.link("job/memory.max", "/dev/null");
  fake.dir.file("job/pids.max", "max\n");
  fake.dir.link("job/cpu.max", "/dev/null");
  SpawnPlan plan;
  const auto governed = apply_limits(&fake.base, &fake.leaf, {limit(LimitKind::memory_max, "1G")}, plan);
  const auto& row = row_of(governed, LimitKind::memory_max);
  CHECK(row.strength != Strength::enforced);
  CHECK(row.in_force == ShownValue{});
  CHECK(row.why.find("reads back") != std::string::npos);
  CHECK(plan.data_limit == 1ull << 30);  // the ladder instead
}

TEST_CASE("a value that the kernel made another of is advisory, and rounding down to pages is as asked") {
  // /proc/self/oom_adj is a kernel file that rounds what it takes: 8 reads back as 7. In a process of its
  // own, whose score it changes.
  const auto check = [] {
    FakeLeaf fake({});
    fake.dir.link("job/pids.max", "/proc/self/oom_adj");
    fake.dir.link("job/memory.max", "/proc/self/oom_adj");
    SpawnPlan plan;
    const auto pids = apply_limits(&fake.base, &fake.leaf, {limit(LimitKind::pids_max, "8")}, plan);
    const auto& row = row_of(pids, LimitKind::pids_max);
    const bool rounded = row.in_force.raw == "7";
    const bool told = row.strength == Strength::advisory && !row.why.empty() && row.asked.raw == "8";
    const auto memory = apply_limits(&fake.base, &fake.leaf, {limit(LimitKind::memory_max, "8")}, plan);
    const bool pages = row_of(memory, LimitKind::memory_max).strength == Strength::enforced;
    return !rounded ? 2 : told && pages ? 0 : 1;
  };
  const pid_t child = ::fork();
  if (child == 0) ::_exit(check());
  int status = 0;
  REQUIRE(::waitpid(child, &status, 0) == child);
  if (WEXITSTATUS(status) == 2)
    MESSAGE("this kernel's oom_adj does not round (or is not there): nothing was checked");
  else
    CHECK(WEXITSTATUS(status) == 0);
}

TEST_CASE("a controller that is missing says why and the next best thing is planned") {
  FakeLeaf fake({kPidsMax});
  fake.base.missing[Controller::memory] = "not enabled for / by the level above";
  SpawnPlan plan;
  const auto governed = apply_limits(&fake.base, &fake.leaf,
                                     {limit(LimitKind::memory_max, "1G"), limit(LimitKind::memory_high, "1G"),
                                      limit(LimitKind::cpu_weight, "50")},
                                     plan);
  CHECK(row_of(governed, LimitKind::memory_max).why.find("not enabled for /") != std::string::npos);
  CHECK(row_of(governed, LimitKind::memory_max).mechanism == "RLIMIT_DATA");
  CHECK(row_of(governed, LimitKind::memory_high).mechanism == "none");
  CHECK(row_of(governed, LimitKind::cpu_weight).mechanism == "setpriority");
  CHECK(plan.data_limit == 1ull << 30);
}

TEST_CASE("without a cgroup each limit has its rung of the ladder or none") {
  SpawnPlan plan;
  plan.own_session = true;
  const auto governed =
      apply_limits(nullptr, nullptr,
                   {limit(LimitKind::cpu_weight, "50"), limit(LimitKind::memory_max, "1G"),
                    limit(LimitKind::swap_max, "0"), limit(LimitKind::io_weight, "50"),
                    limit(LimitKind::pids_max, "64"), limit(LimitKind::oom_score_adj, "500")},
                   plan);
  CHECK(plan.nice == nice_of_weight(50));
  CHECK(plan.batch);
  CHECK(plan.autogroup == std::to_string(*plan.nice));
  CHECK(plan.data_limit == 1ull << 30);
  CHECK(plan.ionice == (2 << 13 | 6));
  CHECK(plan.oom_score_adj == 500);
  for (const LimitKind kind : {LimitKind::swap_max, LimitKind::pids_max}) {
    CHECK(row_of(governed, kind).mechanism == "none");
    CHECK(row_of(governed, kind).strength == Strength::none);
    CHECK_FALSE(row_of(governed, kind).why.empty());
  }
}

TEST_CASE("an explicit nice or ionice outranks what would stand in for a weight, whatever the order") {
  for (const bool weight_first : {true, false}) {
    std::vector<Limit> limits = {limit(LimitKind::cpu_weight, "800"), limit(LimitKind::nice, "7"),
                                 limit(LimitKind::io_weight, "800"), limit(LimitKind::ionice, "idle")};
    if (!weight_first) std::ranges::reverse(limits);
    SpawnPlan plan;
    const auto governed = apply_limits(nullptr, nullptr, limits, plan);
    CHECK(plan.nice == 7);
    CHECK(plan.ionice == 3 << 13);
    CHECK(row_of(governed, LimitKind::cpu_weight).mechanism == "none");
    CHECK(row_of(governed, LimitKind::cpu_weight).why.find("--nice") != std::string::npos);
    CHECK(row_of(governed, LimitKind::io_weight).why.find("--ionice") != std::string::npos);
    CHECK(governed.rows[0].row.name == limit_name(limits[0].kind));  // shown in the order they were asked
  }
}

TEST_CASE("a weight's nice value shares CPU time about as the weight does") {
  CHECK(nice_of_weight(100) == 0);
  CHECK(nice_of_weight(125) == -1);
  CHECK(nice_of_weight(80) == 1);
  CHECK(nice_of_weight(1) == 19);
  CHECK(nice_of_weight(10000) == -20);
  for (unsigned weight = 1; weight < 10000; weight++)
    CHECK(nice_of_weight(weight) >= nice_of_weight(weight + 1));
}

TEST_CASE("the receipt tells each setting by what was read back") {
  SpawnPlan plan;
  const auto governed = apply_limits(nullptr, nullptr,
                                     {limit(LimitKind::nice, "5"), limit(LimitKind::ionice, "best-effort:2"),
                                      limit(LimitKind::oom_score_adj, "-500"),
                                      limit(LimitKind::memory_max, "1G"), limit(LimitKind::cpu_weight, "50")},
                                     plan);
  Settings settings{};
  of(settings, Setting::nice).in_force = 5;
  of(settings, Setting::ionice).in_force = 2 << 13 | 2;
  of(settings, Setting::oom_score_adj) = {EACCES, 0};
  of(settings, Setting::data_limit).in_force = 1 << 30;
  const auto rows = finish_rows(governed, settings);
  CHECK(row_of(rows, "nice").strength == Strength::enforced);
  CHECK(row_of(rows, "nice").in_force.raw == "5");
  CHECK(row_of(rows, "ionice").strength == Strength::enforced);
  CHECK(row_of(rows, "ionice").in_force.text == "best-effort:2");
  CHECK(row_of(rows, "oom_score_adj").strength == Strength::none);
  CHECK(row_of(rows, "oom_score_adj").in_force.raw == "0");
  CHECK_FALSE(row_of(rows, "oom_score_adj").why.empty());
  CHECK(row_of(rows, "memory.max").strength == Strength::advisory);  // never claimed as the limit itself
  CHECK(row_of(rows, "memory.max").in_force.raw == "1073741824");
  CHECK(row_of(rows, "cpu.weight").strength != Strength::enforced);
}

TEST_CASE("a setting that reads back as another value is not enforced") {
  SpawnPlan plan;
  const auto governed = apply_limits(nullptr, nullptr, {limit(LimitKind::nice, "5")}, plan);
  Settings settings{};
  of(settings, Setting::nice).in_force = 0;
  CHECK(row_of(finish_rows(governed, settings), "nice").strength == Strength::advisory);
  of(settings, Setting::nice) = {EPERM, 0};
  const auto refused = finish_rows(governed, settings);
  CHECK(row_of(refused, "nice").strength == Strength::none);
  CHECK(row_of(refused, "nice").why.find("CAP_SYS_NICE") != std::string::npos);
}

TEST_CASE("--require is met by enforcement alone, and settings are required of the child") {
  FakeLeaf fake({kPidsMax});
  SpawnPlan plan;
  const std::vector<Limit> limits = {limit(LimitKind::pids_max, "64"), limit(LimitKind::memory_max, "1G"),
                                     limit(LimitKind::nice, "5"), limit(LimitKind::io_weight, "50")};
  const auto governed = apply_limits(&fake.base, &fake.leaf, limits, plan);
  CHECK(unmet(governed, {}, plan).empty());
  CHECK(plan.required == 0);
  CHECK(unmet(governed, {LimitKind::pids_max}, plan).empty());
  const auto missing = unmet(
      governed, {LimitKind::pids_max, LimitKind::memory_max, LimitKind::nice, LimitKind::io_weight}, plan);
  REQUIRE(missing.size() == 2);
  CHECK(missing[0]->name == "memory.max");
  CHECK(missing[1]->name == "io.weight");
  CHECK(plan.required == 1u << static_cast<unsigned>(Setting::nice));
}

TEST_CASE("threads are fitted to the quota in whole CPUs, and left alone where they fit") {
  const auto allowed = affinity_of(0).value();
  const size_t cpus = allowed.cpus.size();
  const auto fit = [&](const std::vector<Limit>& limits, unsigned start) {
    SpawnPlan plan;
    FakeLeaf fake({kCpuMax, kCpusetCpus, kCpusetCpusEffective});
    Governed governed = apply_limits(&fake.base, &fake.leaf, limits, plan);
    fit_threads(governed, limits, start, plan);
    return std::pair(plan.affinity, governed);
  };
  CHECK_FALSE(fit({limit(LimitKind::nice, "5")}, 0).first);
  CHECK_FALSE(fit({limit(LimitKind::cpu_max, std::to_string(cpus * 100) + "%")}, 0).first);
  if (cpus < 2) {
    MESSAGE("one CPU only: no quota can ask for fewer, so the fitting itself was not checked");
    return;
  }
  for (const char* quota : {"10%", "50%", "100%"}) {
    const auto [affinity, governed] = fit({limit(LimitKind::cpu_max, quota)}, 0);
    REQUIRE(affinity);
    CHECK(affinity->cpus.size() == 1);
    Settings settings{};
    of(settings, Setting::affinity).in_force = 1;
    const auto rows = finish_rows(governed, settings);
    const auto& row = row_of(rows, "thread fit");
    CHECK(row.asked.text == std::to_string(cpus) + " -> 1 CPUs");
    CHECK(row.strength == Strength::enforced);
    of(settings, Setting::affinity) = {EINVAL, static_cast<long>(cpus)};
    CHECK(row_of(finish_rows(governed, settings), "thread fit").strength == Strength::none);
  }
  CHECK(fit({limit(LimitKind::cpu_max, "100%")}, 0).first !=
        fit({limit(LimitKind::cpu_max, "100%")}, 1).first);
  // Inside the CPUs that were asked for, never beside them.
  const std::string last = std::to_string(allowed.cpus.back());
  const auto inside = fit({limit(LimitKind::cpu_max, "100%"), limit(LimitKind::cpuset, last)}, 0).first;
  if (inside) CHECK(inside->cpus == std::vector<unsigned>{allowed.cpus.back()});
}

TEST_CASE("without a cgroup a quota is whole CPUs of the ladder, told once") {
  const auto allowed = affinity_of(0).value();
  if (allowed.cpus.size() < 2) {
    MESSAGE("one CPU only: not checked");
    return;
  }
  SpawnPlan plan;
  const std::vector<Limit> limits = {limit(LimitKind::cpu_max, "50%")};
  Governed governed = apply_limits(nullptr, nullptr, limits, plan);
  fit_threads(governed, limits, 0, plan);
  REQUIRE(plan.affinity);
  CHECK(plan.affinity->cpus.size() == 1);
  CHECK(governed.rows.size() == 1);
  Settings settings{};
  of(settings, Setting::affinity).in_force = 1;
  const auto rows = finish_rows(governed, settings);
  CHECK(row_of(rows, "cpu.max").strength == Strength::advisory);
  CHECK(row_of(rows, "cpu.max").in_force.text == "1 CPU");
}
