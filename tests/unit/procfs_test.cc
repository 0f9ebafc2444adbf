#include "proc/procfs.h"

#include <doctest/doctest.h>
#include <unistd.h>

#include "sys/file.h"

using namespace ffrtmp;

TEST_CASE("a stat line is read past a name that looks like the rest of the line") {
  const auto stat = parse_stat(
      "4711 (a) R (b) S 1 4711 4711 34816 -1 4194304 100 0 0 0 12 34 0 0 39 19 7 0 987654321 100 0 "
      "18446744073709551615");
  REQUIRE(stat.has_value());
  CHECK(stat->pid == 4711);
  CHECK(stat->comm == "a) R (b");
  CHECK(stat->state == 'S');
  CHECK(stat->ppid == 1);
  CHECK(stat->pgrp == 4711);
  CHECK(stat->utime_ticks == 12);
  CHECK(stat->stime_ticks == 34);
  CHECK(stat->nice == 19);
  CHECK(stat->threads == 7);
  CHECK(stat->start_ticks == 987654321);
}

TEST_CASE("our own stat line is read") {
  const auto stat = parse_stat(read_file("/proc/self/stat").value());
  REQUIRE(stat.has_value());
  CHECK(stat->pid == ::getpid());
  CHECK(stat->ppid == ::getppid());
  CHECK(stat->start_ticks > 0);
}

TEST_CASE("a stat line that is cut or is something else gives nothing") {
  const std::string whole = "1 (sh) S 0 1 1 0 -1 4194560 1 1 1 1 5 6 7 8 20 0 1 0 42 1 1";
  REQUIRE(parse_stat(whole).has_value());
  for (const std::string bad :
       {"", "(", ")", ")(", "1", "1 (sh)", "1 (sh) S", "x (sh) S 0 1 1 0 -1 0 1 1 1 1 5 6 7 8 20 0 1 0 42",
        "1 (sh) SS 0 1 1 0 -1 0 1 1 1 1 5 6 7 8 20 0 1 0 42",
        "1 (sh) S 0 1 1 0 -1 0 1 1 1 1 5 6 7 8 20 0 1 0",
        "1 (sh) S 0 1 1 0 -1 0 1 1 1 1 5 6 7 8 20 0 1 0 -5"})
    CHECK_MESSAGE(!parse_stat(bad), bad);
}

TEST_CASE("the cgroup file of a hybrid host is read, colons in paths included") {
  const auto got = parse_proc_cgroup(
      "12:cpu,cpuacct:/user.slice\n3:name=systemd:/a:b/c\n1:misc:/\n0::/user.slice/session-1.scope\n");
  REQUIRE(got.size() == 4);
  CHECK(got[0].hierarchy == 12);
  CHECK(got[0].controllers == std::vector<std::string>{"cpu", "cpuacct"});
  CHECK(got[1].controllers == std::vector<std::string>{"name=systemd"});
  CHECK(got[1].path == "/a:b/c");
  CHECK(got[3].hierarchy == 0);
  CHECK(got[3].controllers.empty());
  CHECK(got[3].path == "/user.slice/session-1.scope");
}

TEST_CASE("lines that are no cgroup lines are left out") {
  CHECK(parse_proc_cgroup("").empty());
  CHECK(parse_proc_cgroup("\n:\n::\n0:\n0::relative\nx::/a\n-1::/a\n99999999999::/a\n").empty());
  CHECK(parse_proc_cgroup("junk\n0::/a\n").size() == 1);
}

TEST_CASE("mountinfo is read with any number of optional fields, and its escapes undone") {
  const auto got = parse_mountinfo(
      "22 1 8:1 / / rw,relatime shared:1 - ext4 /dev/sda1 rw,errors=remount-ro\n"
      "30 22 0:26 /docker/abc /sys/fs/cgroup ro,nosuid master:4 propagate_from:2 - cgroup2 cgroup "
      "rw,nsdelegate\n"
      "31 22 0:5 / /mnt/my\\040disk\\011x\\134y rw - tmpfs no\\012ne rw\n"
      "32 22 0:6 / /plain rw - proc proc rw\n");
  REQUIRE(got.size() == 4);
  CHECK(got[0].major == 8);
  CHECK(got[0].minor == 1);
  CHECK(got[0].fs_type == "ext4");
  CHECK(got[0].source == "/dev/sda1");
  CHECK_FALSE(got[0].read_only);
  CHECK(got[0].super_options == std::vector<std::string>{"rw", "errors=remount-ro"});
  CHECK(got[1].root == "/docker/abc");
  CHECK(got[1].read_only);
  CHECK(got[2].mount_point == "/mnt/my disk\tx\\y");
  CHECK(got[2].source == "no\nne");
  CHECK(got[3].fs_type == "proc");
}

TEST_CASE("a mount without a source keeps its options where they are") {
  // mount("", …): the kernel writes an empty field, which two blanks in a row show.
  const auto got =
      parse_mountinfo("40 22 0:30 / /cg rw -  cgroup  rw,memory\n41 22 0:30 / /cg rw - cgroup  rw,memory\n");
  REQUIRE_FALSE(got.empty());
  CHECK(got.back().fs_type == "cgroup");
  CHECK(got.back().source == "");
  CHECK(got.back().super_options == std::vector<std::string>{"rw", "memory"});
}

TEST_CASE("mount lines that are cut are left out") {
  for (const std::string bad : {"", "22", "22 1 8:1 / / rw", "22 1 8:1 / / rw -", "22 1 8:1 / / rw - ext4",
                                "22 1 81 / / rw - ext4 x rw", "22 1 8:x / / rw - ext4 x rw"})
    CHECK_MESSAGE(parse_mountinfo(bad).empty(), bad);
  CHECK_FALSE(parse_mountinfo(read_file("/proc/self/mountinfo").value()).empty());
}

TEST_CASE("keyed files give the value of the whole key only") {
  const char* events = "low 0\nhigh 3\nmax 7\noom 1\noom_kill 2\noom_group_kill 0\n";
  CHECK(keyed_value(events, "oom") == 1u);
  CHECK(keyed_value(events, "oom_kill") == 2u);
  CHECK(keyed_value(events, "oom_group_kill") == 0u);
  CHECK_FALSE(keyed_value(events, "oo"));
  CHECK_FALSE(keyed_value(events, ""));
  CHECK_FALSE(keyed_value("oom -1\n", "oom"));
  CHECK_FALSE(keyed_value("oom 18446744073709551616\n", "oom"));
  CHECK(keyed_value("a 18446744073709551615", "a") == 18446744073709551615ull);
}

TEST_CASE("pressure totals are told by line, and a process's I/O by key") {
  const char* psi =
      "some avg10=1.00 avg60=0.00 avg300=0.00 total=123\nfull avg10=0 avg60=0 avg300=0 total=45\n";
  CHECK(pressure_total(psi, "some") == 123u);
  CHECK(pressure_total(psi, "full") == 45u);
  CHECK_FALSE(pressure_total(psi, "none"));
  CHECK_FALSE(pressure_total("some avg10=1.00\n", "some"));
  CHECK_FALSE(pressure_total("", "some"));
  const char* io = "rchar: 10\nwchar: 20\nread_bytes: 4096\nwrite_bytes: 8192\ncancelled_write_bytes: 1\n";
  CHECK(colon_value(io, "read_bytes") == 4096u);
  CHECK(colon_value(io, "write_bytes") == 8192u);
  CHECK_FALSE(colon_value(io, "bytes"));
  CHECK_FALSE(colon_value("read_bytes: x", "read_bytes"));
}
