#include "cgroup/knobs.h"

#include <doctest/doctest.h>

#include "cgroup/kernel_files.h"
#include "fake.h"
#include "sys/file.h"

using namespace ffrtmp;

namespace {

Limit limit(LimitKind kind, LimitValue value) { return {kind, std::move(value), "test"}; }
IoMax disk(unsigned major, unsigned minor) {
  IoMax io;
  io.device = {major, minor};
  return io;
}

/// top/mid/leaf with the same empty files in each, as a kernel would make them.
struct Tree {
  fake::Dir dir;
  explicit Tree(const std::vector<std::string>& files) {
    for (const char* level : {"", "mid/", "mid/leaf/"})
      for (const auto& file : files) dir.file(level + file, "");
  }
  Fd leaf() const { return dir.open("mid/leaf"); }
  void set(const std::string& file, const std::string& text) const { dir.file(file, text); }
  std::string get(const std::string& file) const { return dir.text("mid/leaf/" + file); }
};

const std::vector<std::string> kV2All = {kCpuMax,    kCpuWeight,  kCpusetCpus,    kCpusetCpusEffective,
                                         kMemoryMax, kMemoryHigh, kMemorySwapMax, kMemoryOomGroup,
                                         kIoMax,     kIoWeight,   kPidsMax};
const std::vector<std::string> kV1All = {kV1CpuQuota,
                                         kV1CpuPeriod,
                                         kV1CpuShares,
                                         kCpusetCpus,
                                         kV1CpusetEffective,
                                         kV1MemoryLimit,
                                         kV1MemorySwapLimit,
                                         kV1BlkioBfqWeight,
                                         kV1BlkioWeight,
                                         kPidsMax,
                                         "blkio.throttle.read_bps_device",
                                         "blkio.throttle.write_bps_device",
                                         "blkio.throttle.read_iops_device",
                                         "blkio.throttle.write_iops_device"};

template <class T>
T read_as(const Knobs& with, int dir, const Limit& like) {
  const auto got = with.read(dir, "", like);
  REQUIRE(got.has_value());
  REQUIRE(got->has_value());
  return std::get<T>(**got);
}
bool reads_none(const Knobs& with, int dir, const Limit& like) {
  const auto got = with.read(dir, "", like);
  return got.has_value() && !got->has_value();
}

}  // namespace

TEST_CASE("v2: every limit is written in the kernel's form and reads back as it is") {
  Tree tree(kV2All);
  const Fd leaf = tree.leaf();
  IoMax io = disk(8, 0);
  io.wbps = 1 << 20;
  io.riops = 500;
  const std::vector<std::pair<Limit, std::string>> all = {
      {limit(LimitKind::cpu_max, CpuMax{150'000, 100'000}), "150000 100000"},
      {limit(LimitKind::cpu_weight, Weight{200}), "200"},
      {limit(LimitKind::memory_max, Bytes{1 << 30}), "1073741824"},
      {limit(LimitKind::memory_high, Bytes{1 << 29}), "536870912"},
      {limit(LimitKind::swap_max, Bytes{0}), "0"},
      {limit(LimitKind::io_max, io), "8:0 wbps=1048576 riops=500"},
      {limit(LimitKind::io_weight, Weight{50}), "50"},
      {limit(LimitKind::pids_max, Count{64}), "64"},
  };
  for (const auto& [each, text] : all) {
    CAPTURE(std::string(limit_name(each.kind)));
    REQUIRE(v2_knobs().write(leaf.get(), each).has_value());
    CHECK(tree.get(v2_knobs().file(each.kind)) == text);
    const auto back = v2_knobs().read(leaf.get(), "", each);
    REQUIRE(back.has_value());
    CHECK(**back == each.value);
  }
  // A job is killed whole: half of it would hang.
  CHECK(tree.get(kMemoryOomGroup) == "1");
  REQUIRE(v2_knobs().write(leaf.get(), limit(LimitKind::cpuset, CpuList{{0, 1, 3}})).has_value());
  CHECK(tree.get(kCpusetCpus) == "0-1,3");
  tree.set("mid/leaf/cpuset.cpus.effective", "0-1\n");  // what the kernel made of it
  CHECK(read_as<CpuList>(v2_knobs(), leaf.get(), limit(LimitKind::cpuset, CpuList{})).cpus ==
        std::vector<unsigned>{0, 1});
}

TEST_CASE("v2: no limit reads as none, and weights and other disks are told apart") {
  Tree tree(kV2All);
  const Fd leaf = tree.leaf();
  tree.set("mid/leaf/cpu.max", "max 100000\n");
  for (const char* file : {kMemoryMax, kMemoryHigh, kMemorySwapMax, kPidsMax})
    tree.set("mid/leaf/" + std::string(file), "max\n");
  for (const auto& each : {limit(LimitKind::cpu_max, CpuMax{}), limit(LimitKind::memory_max, Bytes{}),
                           limit(LimitKind::memory_high, Bytes{}), limit(LimitKind::swap_max, Bytes{}),
                           limit(LimitKind::pids_max, Count{}), limit(LimitKind::io_max, disk(8, 0))})
    CHECK(reads_none(v2_knobs(), leaf.get(), each));
  tree.set("mid/leaf/io.max",
           "8:16 rbps=1 wbps=max riops=max wiops=max\n8:1 rbps=2 wbps=max riops=max wiops=max\n"
           "18:0 rbps=3 wbps=max riops=max wiops=max\n");
  CHECK(reads_none(v2_knobs(), leaf.get(), limit(LimitKind::io_max, disk(8, 0))));
  const auto io = read_as<IoMax>(v2_knobs(), leaf.get(), limit(LimitKind::io_max, disk(8, 16)));
  CHECK(io.rbps == 1u);
  CHECK_FALSE(io.wbps);
  tree.set("mid/leaf/io.weight", "default 300\n8:0 50\n");
  CHECK(read_as<Weight>(v2_knobs(), leaf.get(), limit(LimitKind::io_weight, Weight{})).value == 300);
}

TEST_CASE("v2: contents that no kernel writes are an error with the file's name") {
  Tree tree(kV2All);
  const Fd leaf = tree.leaf();
  for (const auto& [file, kind, value, text] :
       {std::tuple(kCpuMax, LimitKind::cpu_max, LimitValue(CpuMax{}), "1 0"),
        {kCpuMax, LimitKind::cpu_max, LimitValue(CpuMax{}), "100000"},
        {kCpuMax, LimitKind::cpu_max, LimitValue(CpuMax{}), "1 2 3"},
        {kMemoryMax, LimitKind::memory_max, LimitValue(Bytes{}), "-1"},
        {kPidsMax, LimitKind::pids_max, LimitValue(Count{}), "lots"},
        {kIoWeight, LimitKind::io_weight, LimitValue(Weight{}), "default x"},
        {kCpusetCpusEffective, LimitKind::cpuset, LimitValue(CpuList{}), "0-99999"}}) {
    CAPTURE(text);
    tree.set("mid/leaf/" + std::string(file), text);
    const auto got = v2_knobs().read(leaf.get(), "", limit(kind, value));
    CHECK_FALSE(got.has_value());
  }
}

TEST_CASE("v2: a file that is not there means a controller that is not enabled, by name") {
  fake::Dir empty;
  const Fd leaf = empty.open();
  for (const auto& [each, controller] : {std::pair(limit(LimitKind::memory_max, Bytes{1 << 20}), "memory"),
                                         {limit(LimitKind::cpu_max, CpuMax{50'000, 100'000}), "cpu"},
                                         {limit(LimitKind::io_weight, Weight{50}), "io"},
                                         {limit(LimitKind::pids_max, Count{5}), "pids"},
                                         {limit(LimitKind::cpuset, CpuList{{0}}), "cpuset"}}) {
    const auto written = v2_knobs().write(leaf.get(), each);
    REQUIRE_FALSE(written.has_value());
    CHECK(written.error().errnum == ENOENT);
    CHECK(written.error().hint.find(std::string("controller ") + controller) != std::string::npos);
    CHECK_FALSE(v2_knobs().read(leaf.get(), "", each).has_value());
  }
}

TEST_CASE("v2: what the kernel refuses is told by its reason") {
  fake::Dir dir;
  // Files of the kernel's own that refuse: a number out of range, a file system that is full.
  dir.link(kMemoryMax, "/proc/self/oom_score_adj");
  dir.link(kPidsMax, "/dev/full");
  const Fd leaf = dir.open();
  const auto refused = v2_knobs().write(leaf.get(), limit(LimitKind::memory_max, Bytes{1 << 30}));
  REQUIRE_FALSE(refused.has_value());
  CHECK(refused.error().errnum == EINVAL);
  CHECK(refused.error().hint.find("refuses") != std::string::npos);
  CHECK(v2_knobs().write(leaf.get(), limit(LimitKind::pids_max, Count{5})).error().errnum == ENOSPC);
}

TEST_CASE("v2: where a kernel has only BFQ's weight, that is written and read") {
  Tree tree({kIoBfqWeight});
  const Fd leaf = tree.leaf();
  REQUIRE(v2_knobs().write(leaf.get(), limit(LimitKind::io_weight, Weight{70})).has_value());
  CHECK(tree.get(kIoBfqWeight) == "70");
  CHECK(read_as<Weight>(v2_knobs(), leaf.get(), limit(LimitKind::io_weight, Weight{})).value == 70);
}

TEST_CASE("what is effective is the least over all cgroups above, and weights are not") {
  Tree tree(kV2All);
  const Fd leaf = tree.leaf();
  const auto effective = [&](const Limit& like) {
    return effective_limit(v2_knobs(), leaf.get(), 2, like).value();
  };
  tree.set("mid/leaf/memory.max", "2147483648\n");
  tree.set("mid/memory.max", "max\n");
  tree.set("memory.max", "1073741824\n");
  CHECK(std::get<Bytes>(*effective(limit(LimitKind::memory_max, Bytes{}))).count == 1u << 30);
  tree.set("mid/memory.max", "1000\n");
  CHECK(std::get<Bytes>(*effective(limit(LimitKind::memory_max, Bytes{}))).count == 1000);
  // Rates are compared as rates, whatever their periods.
  tree.set("mid/leaf/cpu.max", "150000 100000\n");
  tree.set("mid/cpu.max", "100000 10000\n");
  tree.set("cpu.max", "600000 1000000\n");
  CHECK(std::get<CpuMax>(*effective(limit(LimitKind::cpu_max, CpuMax{}))) == CpuMax{600'000, 1'000'000});
  tree.set("mid/leaf/pids.max", "max\n");
  tree.set("mid/pids.max", "77\n");
  CHECK(std::get<Count>(*effective(limit(LimitKind::pids_max, Count{}))).value == 77);
  tree.set("mid/leaf/io.max", "8:0 rbps=100 wbps=max riops=max wiops=max\n");
  tree.set("mid/io.max", "8:0 rbps=200 wbps=50 riops=max wiops=max\n8:16 rbps=1 wbps=1 riops=1 wiops=1\n");
  const auto io = std::get<IoMax>(*effective(limit(LimitKind::io_max, disk(8, 0))));
  CHECK(io.rbps == 100u);
  CHECK(io.wbps == 50u);
  CHECK_FALSE(io.riops);
  tree.set("mid/leaf/cpuset.cpus.effective", "0-3\n");
  tree.set("mid/cpuset.cpus.effective", "2-5\n");
  CHECK(std::get<CpuList>(*effective(limit(LimitKind::cpuset, CpuList{}))).cpus ==
        std::vector<unsigned>{2, 3});
  tree.set("mid/leaf/cpu.weight", "500\n");
  tree.set("mid/cpu.weight", "1\n");
  CHECK(std::get<Weight>(*effective(limit(LimitKind::cpu_weight, Weight{}))).value == 500);
  // No limit anywhere is none, and a level without the file sets none.
  std::filesystem::remove(tree.dir / "memory.swap.max");
  for (const char* level : {"mid/", "mid/leaf/"}) tree.set(std::string(level) + "memory.swap.max", "max\n");
  CHECK_FALSE(effective(limit(LimitKind::swap_max, Bytes{})));
}

TEST_CASE("v1: every limit is written where v1 keeps it and reads back as it is") {
  Tree tree(kV1All);
  const Fd leaf = tree.leaf();
  for (const auto& each :
       {limit(LimitKind::cpu_max, CpuMax{150'000, 100'000}), limit(LimitKind::memory_max, Bytes{1 << 30}),
        limit(LimitKind::swap_max, Bytes{1 << 20}), limit(LimitKind::pids_max, Count{64}),
        limit(LimitKind::cpu_weight, Weight{1}), limit(LimitKind::io_weight, Weight{500})}) {
    CAPTURE(std::string(limit_name(each.kind)));
    REQUIRE(v1_knobs().write(leaf.get(), each).has_value());
    const auto back = v1_knobs().read(leaf.get(), "", each);
    REQUIRE(back.has_value());
    REQUIRE(back->has_value());
    CHECK(**back == each.value);
  }
  CHECK(tree.get(kV1CpuQuota) == "150000");
  CHECK(tree.get(kV1CpuPeriod) == "100000");
  CHECK(tree.get(kV1MemorySwapLimit) ==
        std::to_string((1ull << 30) + (1 << 20)));  // memory and swap together
  for (const unsigned weight : {1u, 2u, 33u, 100u, 999u, 10000u}) {
    Tree fresh(kV1All);
    const Fd dir = fresh.leaf();
    REQUIRE(v1_knobs().write(dir.get(), limit(LimitKind::cpu_weight, Weight{weight})).has_value());
    CHECK(read_as<Weight>(v1_knobs(), dir.get(), limit(LimitKind::cpu_weight, Weight{weight})).value ==
          weight);
    if (weight == 100) CHECK(fresh.get(kV1CpuShares) == "1024");
  }
}

TEST_CASE("v1: rates of a disk stand in four files, a line a disk") {
  Tree tree(kV1All);
  const Fd leaf = tree.leaf();
  IoMax io = disk(8, 0);
  io.rbps = 1 << 20;
  io.wiops = 100;
  REQUIRE(v1_knobs().write(leaf.get(), limit(LimitKind::io_max, io)).has_value());
  CHECK(tree.get("blkio.throttle.read_bps_device") == "8:0 1048576");
  CHECK(tree.get("blkio.throttle.write_iops_device") == "8:0 100");
  CHECK(tree.get("blkio.throttle.write_bps_device").empty());
  tree.set("mid/leaf/blkio.throttle.read_bps_device", "8:16 5\n8:0 1048576\n");
  CHECK(read_as<IoMax>(v1_knobs(), leaf.get(), limit(LimitKind::io_max, disk(8, 0))) == io);
  CHECK(reads_none(v1_knobs(), leaf.get(), limit(LimitKind::io_max, disk(8, 1))));
}

TEST_CASE("v1: no limit reads as none in each of its spellings") {
  Tree tree(kV1All);
  const Fd leaf = tree.leaf();
  tree.set("mid/leaf/cpu.cfs_quota_us", "-1\n");
  tree.set("mid/leaf/cpu.cfs_period_us", "100000\n");
  tree.set("mid/leaf/memory.limit_in_bytes", "9223372036854771712\n");
  tree.set("mid/leaf/memory.memsw.limit_in_bytes", "9223372036854771712\n");
  tree.set("mid/leaf/pids.max", "max\n");
  for (const auto& each : {limit(LimitKind::cpu_max, CpuMax{}), limit(LimitKind::memory_max, Bytes{}),
                           limit(LimitKind::swap_max, Bytes{}), limit(LimitKind::pids_max, Count{})})
    CHECK(reads_none(v1_knobs(), leaf.get(), each));
}

TEST_CASE("v1: what it does not have is refused in words") {
  Tree tree(kV1All);
  const Fd leaf = tree.leaf();
  const auto high = v1_knobs().write(leaf.get(), limit(LimitKind::memory_high, Bytes{1}));
  REQUIRE_FALSE(high.has_value());
  CHECK(high.error().message().find("memory.high") != std::string::npos);
  // Swap alone means nothing to v1.
  tree.set("mid/leaf/memory.limit_in_bytes", "9223372036854771712\n");
  const auto swap = v1_knobs().write(leaf.get(), limit(LimitKind::swap_max, Bytes{1 << 20}));
  REQUIRE_FALSE(swap.has_value());
  CHECK(swap.error().hint.find("--memory-max") != std::string::npos);
  Tree unaccounted({kV1MemoryLimit});
  unaccounted.set("mid/leaf/memory.limit_in_bytes", "1048576\n");
  const Fd without = unaccounted.leaf();
  const auto off = v1_knobs().write(without.get(), limit(LimitKind::swap_max, Bytes{1 << 20}));
  REQUIRE_FALSE(off.has_value());
  CHECK(off.error().hint.find("swapaccount") != std::string::npos);
}

TEST_CASE("the tighter of two limits is found for each kind, and none is no limit") {
  const auto least = [](std::optional<LimitValue> a, std::optional<LimitValue> b) { return tighter(a, b); };
  CHECK_FALSE(least(std::nullopt, std::nullopt));
  CHECK(least(std::nullopt, Bytes{5}) == LimitValue(Bytes{5}));
  CHECK(least(Bytes{5}, std::nullopt) == LimitValue(Bytes{5}));
  CHECK(least(Bytes{5}, Bytes{4}) == LimitValue(Bytes{4}));
  CHECK(least(CpuMax{50'000, 100'000}, CpuMax{1'000, 1'000}) == LimitValue(CpuMax{50'000, 100'000}));
  CHECK(least(Weight{5}, Weight{4}) == LimitValue(Weight{5}));
  CHECK(least(Bytes{5}, Count{1}) == LimitValue(Bytes{5}));  // not comparable
}
