#include "cgroup/meters.h"

#include <doctest/doctest.h>

#include "cgroup/kernel_files.h"
#include "fake.h"

using namespace ffrtmp;

namespace {

/// A leaf two levels below the top of a hierarchy that is a folder on disk.
struct FakeLeaf {
  fake::Dir dir;
  Leaf leaf;
  void add(Dialect dialect, std::vector<std::string> names, const std::string& root) {
    dir.folder(root + "/above/job");
    CgroupDir out;
    out.hierarchy.dialect = dialect;
    out.hierarchy.names = std::move(names);
    out.hierarchy.mount_point = dir / root;
    out.hierarchy.mount_root = "/";
    out.path = "/above/job";
    out.fd = dir.open(root + "/above/job");
    leaf.name = "job";
    leaf.dirs.push_back(std::move(out));
  }
};

}  // namespace

TEST_CASE("v2: usage is what the control files tell, and what they do not is left out") {
  FakeLeaf fake;
  fake.add(Dialect::v2, {"cpu", "memory", "io"}, "v2");
  fake.dir.file(
      "v2/above/job/cpu.stat",
      "usage_usec 2000000\nuser_usec 1500000\nsystem_usec 500000\nnr_throttled 3\nthrottled_usec 250000\n");
  fake.dir.file("v2/above/job/memory.current", "1024\n");
  fake.dir.file("v2/above/job/memory.peak", "4096\n");
  fake.dir.file("v2/above/job/io.stat", "8:0 rbytes=100 wbytes=200 rios=1\n8:16 rbytes=1 wbytes=2\n");
  fake.dir.file("v2/above/job/cpu.pressure", "some avg10=0.00 total=77\nfull avg10=0.00 total=1\n");
  const Usage usage = read_usage(fake.leaf);
  CHECK(usage.cpu_user_s == 1.5);
  CHECK(usage.cpu_system_s == 0.5);
  CHECK(usage.throttled_s == 0.25);
  CHECK(usage.throttled_periods == 3u);
  CHECK(usage.memory_peak_bytes == 4096u);
  CHECK(usage.io_read_bytes == 101u);
  CHECK(usage.io_write_bytes == 202u);
  CHECK(usage.cpu_pressure_us == 77u);
  CHECK_FALSE(usage.memory_pressure_us);
  CHECK(usage.source == "cgroup v2");
  CHECK_FALSE(read_usage(Leaf{}).cpu_user_s);
}

TEST_CASE("v1: usage comes from as many hierarchies as there are") {
  FakeLeaf fake;
  fake.add(Dialect::v1, {"cpu", "cpuacct"}, "cpu");
  fake.add(Dialect::v1, {"memory"}, "memory");
  fake.add(Dialect::v1, {"blkio"}, "blkio");
  fake.dir.file("cpu/above/job/cpuacct.usage_user", "1500000000\n");
  fake.dir.file("cpu/above/job/cpuacct.usage_sys", "500000000\n");
  fake.dir.file("cpu/above/job/cpu.stat", "nr_periods 5\nnr_throttled 2\nthrottled_time 1000000000\n");
  fake.dir.file("memory/above/job/memory.max_usage_in_bytes", "8192\n");
  fake.dir.file("blkio/above/job/blkio.throttle.io_service_bytes_recursive",
                "8:0 Read 10\n8:0 Write 20\n8:0 Total 30\n8:16 Read 1\nTotal 31\n");
  const Usage usage = read_usage(fake.leaf);
  CHECK(usage.cpu_user_s == 1.5);
  CHECK(usage.throttled_s == 1.0);
  CHECK(usage.memory_peak_bytes == 8192u);
  CHECK(usage.io_read_bytes == 11u);
  CHECK(usage.io_write_bytes == 20u);
  CHECK(usage.source == "cgroup v1");
}

TEST_CASE("the account of the process fills only what no cgroup told") {
  Usage usage;
  usage.cpu_user_s = 5;
  usage.cpu_system_s = 1;
  rusage account{};
  account.ru_utime = {9, 500'000};
  account.ru_maxrss = 1000;
  add_rusage(usage, account);
  CHECK(usage.cpu_user_s == 5.0);
  CHECK(usage.memory_peak_bytes == 1'024'000u);
  Usage bare;
  add_rusage(bare, account);
  CHECK(bare.cpu_user_s == 9.5);
  CHECK(bare.source == "process");
}

TEST_CASE("an OOM kill is laid to whose limit was hit: the job's, one above that grew since, or the host's") {
  const auto verdict = [](const std::string& own_local, const std::string& above_before,
                          const std::string& above_after, const std::string& kills) {
    FakeLeaf fake;
    fake.add(Dialect::v2, {"memory"}, "v2");
    fake.dir.file("v2/above/memory.events.local", above_before);
    const OomWatch watch(fake.leaf);
    fake.dir.file("v2/above/memory.events.local", above_after);
    fake.dir.file("v2/above/job/memory.events", "oom 1\noom_kill " + kills + "\n");
    fake.dir.file("v2/above/job/memory.events.local", own_local);
    return watch.judge();
  };
  auto got = verdict("oom 1\n", "oom 5\n", "oom 5\n", "2");
  CHECK(got.kills == 2);
  CHECK(got.own_limit);
  CHECK(got.parent.empty());
  got = verdict("oom 0\n", "oom 5\n", "oom 6\n", "1");
  CHECK_FALSE(got.own_limit);
  CHECK(got.parent == "/above");
  got = verdict("oom 0\n", "oom 5\n", "oom 5\n", "1");  // what was counted before is not ours
  CHECK_FALSE(got.own_limit);
  CHECK(got.parent.empty());
  CHECK(verdict("oom 3\n", "oom 0\n", "oom 0\n", "0").kills == 0);  // charges that failed without a victim
  CHECK(got.asked);
  CHECK_FALSE(OomWatch(Leaf{}).judge().asked);
  FakeLeaf gone;  // its files are no more
  gone.add(Dialect::v2, {"memory"}, "v2");
  CHECK_FALSE(OomWatch(gone.leaf).judge().asked);
}

TEST_CASE("v1: an OOM kill is counted in oom_control, and the own limit's hits tell whose it was") {
  FakeLeaf fake;
  fake.add(Dialect::v1, {"memory"}, "memory");
  const OomWatch watch(fake.leaf);
  fake.dir.file("memory/above/job/memory.oom_control", "oom_kill_disable 0\nunder_oom 0\noom_kill 1\n");
  fake.dir.file("memory/above/job/memory.failcnt", "0\n");
  CHECK(watch.judge().kills == 1);
  CHECK_FALSE(watch.judge().own_limit);
  fake.dir.file("memory/above/job/memory.failcnt", "12\n");
  CHECK(watch.judge().own_limit);
  // With a swap limit the hit may be counted against both together.
  fake.dir.file("memory/above/job/memory.failcnt", "0\n");
  fake.dir.file("memory/above/job/memory.memsw.failcnt", "3\n");
  CHECK(watch.judge().own_limit);
  CHECK(watch.judge().asked);
}

TEST_CASE("a leaf is populated when the kernel says so, on either hierarchy") {
  FakeLeaf v2;
  v2.add(Dialect::v2, {}, "v2");
  CHECK_FALSE(v2.leaf.populated());
  v2.dir.file("v2/above/job/cgroup.events", "populated 1\nfrozen 0\n");
  CHECK(v2.leaf.populated());
  v2.dir.file("v2/above/job/cgroup.procs", "5\n7\n");
  v2.dir.file("v2/above/job/inner/cgroup.procs", "6\n");
  CHECK(v2.leaf.processes() == std::vector<pid_t>{5, 6, 7});
  FakeLeaf v1;
  v1.add(Dialect::v1, {"memory"}, "memory");
  CHECK_FALSE(v1.leaf.populated());
  v1.dir.file("memory/above/job/cgroup.procs", "12\n");
  CHECK(v1.leaf.populated());
}
