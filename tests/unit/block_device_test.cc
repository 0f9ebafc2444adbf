#include "cgroup/block_device.h"

#include <doctest/doctest.h>

#include "fake.h"

using namespace ffrtmp;

namespace {

/// A /sys with disks in it, as the kernel lays it out.
struct Sys {
  fake::Dir dir;
  /// A disk or, with `of`, a partition of it.
  void disk(const std::string& name, const std::string& numbers, const std::string& of = "") const {
    const std::string node = "devices/virtual/block/" + (of.empty() ? "" : of + "/") + name;
    dir.file(node + "/dev", numbers + "\n");
    dir.folder(node + "/slaves");
    if (!of.empty()) dir.file(node + "/partition", "1\n");
    dir.link("dev/block/" + numbers, dir / node);
    dir.link("class/block/" + name, dir / node);
  }
  void over(const std::string& name, const std::string& below) const {
    const std::string target = std::filesystem::canonical(dir / ("class/block/" + below));
    const std::string node = std::filesystem::canonical(dir / ("class/block/" + name));
    std::filesystem::create_symlink(target, node + "/slaves/" + below);
  }
  Result<BlockDevice> find(unsigned major, unsigned minor) const {
    return whole_disk({major, minor}, dir.path(), "/data");
  }
};

}  // namespace

TEST_CASE("a whole disk is itself and a partition gives its disk") {
  Sys sys;
  sys.disk("sda", "8:0");
  sys.disk("sda2", "8:2", "sda");
  sys.disk("nvme0n1", "259:0");
  sys.disk("nvme0n1p3", "259:7", "nvme0n1");
  CHECK(*sys.find(8, 0) == BlockDevice{8, 0});
  CHECK(*sys.find(8, 2) == BlockDevice{8, 0});
  CHECK(*sys.find(259, 7) == BlockDevice{259, 0});
}

TEST_CASE("LVM and encryption over a partition give the disk under all of them") {
  Sys sys;
  sys.disk("sda", "8:0");
  sys.disk("sda3", "8:3", "sda");
  sys.disk("dm-0", "254:0");
  sys.disk("dm-1", "254:1");
  sys.over("dm-0", "sda3");  // LUKS
  sys.over("dm-1", "dm-0");  // LVM on it
  CHECK(*sys.find(254, 0) == BlockDevice{8, 0});
  CHECK(*sys.find(254, 1) == BlockDevice{8, 0});
}

TEST_CASE("an array over several disks is refused with the disks to name instead") {
  Sys sys;
  sys.disk("sda", "8:0");
  sys.disk("sdb", "8:16");
  sys.disk("md0", "9:0");
  sys.over("md0", "sdb");
  sys.over("md0", "sda");
  sys.disk("dm-0", "254:0");
  sys.over("dm-0", "md0");
  for (const auto& found : {sys.find(9, 0), sys.find(254, 0)}) {
    REQUIRE_FALSE(found.has_value());
    const std::string message = found.error().message();
    CHECK(message.find("/data") != std::string::npos);
    CHECK(message.find("/dev/sda, /dev/sdb") != std::string::npos);
  }
  // A partition of the array lies over the same disks.
  sys.disk("md0p1", "259:9", "md0");
  const auto partition = sys.find(259, 9);
  REQUIRE_FALSE(partition.has_value());
  CHECK(partition.error().message().find("/dev/sdb") != std::string::npos);
}

TEST_CASE("an array over one disk gives that disk") {
  Sys sys;
  sys.disk("sda", "8:0");
  sys.disk("sda1", "8:1", "sda");
  sys.disk("md0", "9:0");
  sys.over("md0", "sda1");
  CHECK(*sys.find(9, 0) == BlockDevice{8, 0});
}

TEST_CASE("numbers that the kernel does not know, and broken trees, are errors that name what was asked") {
  Sys sys;
  sys.disk("sda", "8:0");
  sys.disk("sda1", "8:1", "sda");
  for (const auto& found : {sys.find(8, 99), sys.find(0, 0), sys.find(4095, 1)}) {
    REQUIRE_FALSE(found.has_value());
    CHECK(found.error().message().find("/data") != std::string::npos);
    CHECK_FALSE(found.error().hint.empty());
  }
  sys.dir.file("devices/virtual/block/sda/dev", "nonsense");
  CHECK_FALSE(sys.find(8, 1).has_value());
  // Two devices over each other must end too.
  sys.disk("dm-0", "254:0");
  sys.disk("dm-1", "254:1");
  sys.over("dm-0", "dm-1");
  sys.over("dm-1", "dm-0");
  CHECK_FALSE(sys.find(254, 0).has_value());
}
