#include "cgroup/host.h"

#include <doctest/doctest.h>

#include "cgroup/leaf.h"
#include "fake.h"

using namespace ffrtmp;

namespace {

/// A host that is told by two files of /proc and the root of a v2 hierarchy.
struct Told {
  fake::Dir dir;
  HostPaths paths;
  Told(const std::string& mountinfo, const std::string& self_cgroup,
       const std::string& controllers = "cpuset cpu io memory pids") {
    std::string text = mountinfo;
    for (size_t at; (at = text.find("@V2@")) != std::string::npos;) text.replace(at, 4, dir / "v2");
    paths.mountinfo = dir.file("mountinfo", text);
    paths.self_cgroup = dir.file("cgroup", self_cgroup);
    paths.systemd_booted = dir / "systemd";
    dir.file("v2/cgroup.controllers", controllers + "\n");
  }
  Host probe() const { return probe_host(paths); }
};

constexpr char kV1[] =
    "33 22 0:30 / /sys/fs/cgroup/cpu,cpuacct rw - cgroup cgroup rw,cpu,cpuacct\n"
    "34 22 0:31 / /sys/fs/cgroup/memory rw - cgroup cgroup rw,memory\n"
    "35 22 0:32 / /sys/fs/cgroup/blkio rw - cgroup cgroup rw,blkio\n"
    "36 22 0:33 / /sys/fs/cgroup/systemd rw - cgroup cgroup rw,xattr,name=systemd\n";
constexpr char kV1Self[] =
    "4:cpu,cpuacct:/user.slice\n3:memory:/user.slice\n2:blkio:/\n1:name=systemd:/user.slice/"
    "session-1.scope\n";

}  // namespace

TEST_CASE("a unified host has every controller in its one hierarchy") {
  Told told("30 22 0:26 / @V2@ rw - cgroup2 cgroup2 rw,nsdelegate\n22 1 8:1 / / rw - ext4 /dev/sda1 rw\n",
            "0::/user.slice/session-1.scope\n");
  Host host = told.probe();
  CHECK(host.kind == Host::Kind::unified);
  CHECK(host_kind_name(host.kind) == "unified");
  CHECK_FALSE(host.systemd);
  CHECK(host.trouble.empty());
  for (const Controller controller : kControllers) {
    REQUIRE(host.of(controller));
    CHECK(host.of(controller) == host.unified());
  }
  CHECK(host.unified()->self == "/user.slice/session-1.scope");
  CHECK(host.unified()->folder("/a/b") == told.dir / "v2/a/b");
  CHECK(host.unified()->folder("/") == told.dir / "v2");
  told.dir.folder("systemd");
  CHECK(told.probe().systemd);
}

TEST_CASE("a hybrid host has its controllers where v1 holds them") {
  Told told(std::string(kV1) + "37 22 0:34 / @V2@ rw - cgroup2 cgroup2 rw\n",
            std::string(kV1Self) + "0::/x\n", "");
  const Host host = told.probe();
  CHECK(host.kind == Host::Kind::hybrid);
  REQUIRE(host.unified());
  CHECK(host.of(Controller::cpu)->dialect == Dialect::v1);
  CHECK(host.of(Controller::io)->mount_point == "/sys/fs/cgroup/blkio");
  CHECK(host.of(Controller::memory)->self == "/user.slice");
  CHECK_FALSE(host.of(Controller::pids));
  CHECK(host.hierarchies.size() == 5);
}

TEST_CASE("a legacy host has no unified hierarchy") {
  const Host host = Told(kV1, kV1Self).probe();
  CHECK(host.kind == Host::Kind::legacy);
  CHECK_FALSE(host.unified());
  CHECK(host.of(Controller::cpu)->has(Controller::cpu));
  CHECK_FALSE(host.of(Controller::cpu)->has(Controller::memory));
}

TEST_CASE("in a container the mount shows a part of the tree, and only that has folders") {
  Told told("30 22 0:26 /docker/abc @V2@ rw - cgroup2 cgroup rw\n", "0::/docker/abc/inner\n");
  const Host host = told.probe();
  const Hierarchy* v2 = host.unified();
  REQUIRE(v2);
  CHECK(v2->mount_root == "/docker/abc");
  CHECK(v2->folder("/docker/abc") == told.dir / "v2");
  CHECK(v2->folder("/docker/abc/inner") == told.dir / "v2/inner");
  CHECK_FALSE(v2->folder("/docker/abcdef"));
  CHECK_FALSE(v2->folder("/"));
  CHECK_FALSE(v2->folder("/elsewhere"));
}

TEST_CASE("a read-only cgroup file system is told as such") {
  Told told("30 22 0:26 / @V2@ ro,nosuid - cgroup2 cgroup rw\n", "0::/\n");
  REQUIRE(told.probe().unified());
  CHECK(told.probe().unified()->read_only);
}

TEST_CASE("a hierarchy that is mounted twice is one, at its first place") {
  Told told("30 22 0:26 / @V2@ rw - cgroup2 cgroup rw\n31 22 0:26 / /mnt/bind rw - cgroup2 cgroup rw\n",
            "0::/\n");
  CHECK(told.probe().hierarchies.size() == 1);
  CHECK(told.probe().unified()->mount_point == told.dir / "v2");
}

TEST_CASE("a host without cgroups, or whose /proc does not tell, says why") {
  const Host none = Told("22 1 8:1 / / rw - ext4 /dev/sda1 rw\n", "0::/\n").probe();
  CHECK(none.kind == Host::Kind::none);
  CHECK_FALSE(none.trouble.empty());
  CHECK_FALSE(none.unified());
  CHECK_FALSE(none.of(Controller::cpu));
  Told told("", "");
  ::unlink(told.paths.mountinfo.c_str());
  const Host blind = told.probe();
  CHECK(blind.kind == Host::Kind::none);
  CHECK(blind.trouble.find("mountinfo") != std::string::npos);
  // Mounted, and we are in none of it: nothing could be said of where we stand.
  CHECK(Told("30 22 0:26 / @V2@ rw - cgroup2 cgroup rw\n", "").probe().kind == Host::Kind::none);
}

TEST_CASE("a v2 hierarchy whose root cannot be read offers nothing and says so") {
  Told told("30 22 0:26 / @V2@ rw - cgroup2 cgroup rw\n", "0::/\n");
  std::filesystem::remove(told.dir / "v2/cgroup.controllers");
  const Host host = told.probe();
  CHECK_FALSE(host.of(Controller::cpu));
  CHECK_FALSE(host.trouble.empty());
}

TEST_CASE("this host is probed without trouble where it has cgroups") {
  const Host host = probe_host();
  if (host.kind == Host::Kind::none)
    CHECK_FALSE(host.trouble.empty());
  else
    CHECK_FALSE(host.hierarchies.empty());
}

TEST_CASE("the depth of a cgroup is counted from the top that its mount shows") {
  CgroupDir dir;
  dir.hierarchy.mount_root = "/";
  for (const auto& [path, depth] : {std::pair("/", 0), {"/a", 1}, {"/a/b/c", 3}}) {
    dir.path = path;
    CHECK(dir.depth() == depth);
  }
  dir.hierarchy.mount_root = "/docker/abc";
  for (const auto& [path, depth] :
       {std::pair("/docker/abc", 0), {"/docker/abc/a", 1}, {"/docker/abc/a/b", 2}}) {
    dir.path = path;
    CHECK(dir.depth() == depth);
  }
}
