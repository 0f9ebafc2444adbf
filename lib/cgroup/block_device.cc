#include "cgroup/block_device.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>

#include <algorithm>
#include <climits>
#include <cstdlib>
#include <filesystem>

#include "proc/procfs.h"
#include "sys/file.h"
#include "sys/text.h"

namespace ffrtmp {

namespace fs = std::filesystem;

namespace {

std::optional<BlockDevice> parse_device(std::string_view text) {
  const auto part = split(trim(text), ':');
  const auto major = parse_u64(part[0]);
  const auto minor = part.size() == 2 ? parse_u64(part[1]) : std::nullopt;
  if (!major || !minor || *major > 4095 || *minor > 1'048'575)
    return std::nullopt;  // MAJORBITS 12, MINORBITS 20
  return BlockDevice{static_cast<unsigned>(*major), static_cast<unsigned>(*minor)};
}

std::string text_of(BlockDevice device) {
  return std::to_string(device.major) + ":" + std::to_string(device.minor);
}

/// The device behind a file system without one of its own (btrfs, overlay): from the source of the mount that
/// the path lies on, if that is a block device. By the mount's id: btrfs gives each subvolume a device number
/// that no mount shows.
Result<BlockDevice> from_mount(const std::string& path) {
  struct statx info {};
  if (::statx(AT_FDCWD, path.c_str(), 0, STATX_MNT_ID, &info) != 0) return sys_error("looking at", path);
  const std::string text = read_or_empty(AT_FDCWD, "/proc/self/mountinfo");
  for (const auto& mount : parse_mountinfo(text)) {
    if (!(info.stx_mask & STATX_MNT_ID) || mount.id != info.stx_mnt_id) continue;
    struct stat source {};
    if (mount.source.starts_with("/") && ::stat(mount.source.c_str(), &source) == 0 &&
        S_ISBLK(source.st_mode))
      return BlockDevice{major(source.st_rdev), minor(source.st_rdev)};
    return bad_input(
        "cannot limit I/O on", path,
        "its file system (" + mount.fs_type + ") has no disk of its own; name the disk or a path on one");
  }
  return bad_input("cannot limit I/O on", path,
                   "its file system has no disk; name the disk or a path on one");
}

}  // namespace

Result<BlockDevice> whole_disk(BlockDevice device, const std::string& sys_root, const std::string& asked_as) {
  // dm over md over partitions: a handful of layers at most.
  for (int layer = 0; layer < 16; layer++) {
    const fs::path link = sys_root + "/dev/block/" + text_of(device);
    std::error_code error;
    const fs::path node = fs::canonical(link, error);
    if (error)
      return bad_input("no such disk:", asked_as,
                       "the kernel knows no block device " + text_of(device) + "; see lsblk");
    if (fs::exists(node / "partition", error)) {
      const auto parent = read_file((node.parent_path() / "dev").string());
      const auto disk = parent ? parse_device(*parent) : std::nullopt;
      if (!disk) return bad_input("cannot find the disk of partition", asked_as);
      device = *disk;  // which may itself be an array
      continue;
    }
    std::vector<fs::path> below;
    for (const auto& entry : fs::directory_iterator(node / "slaves", error)) below.push_back(entry.path());
    if (below.empty()) return device;
    if (below.size() > 1) {
      std::vector<std::string> names;
      for (const auto& slave : below) names.push_back("/dev/" + slave.filename().string());
      std::ranges::sort(names);
      return bad_input("cannot limit I/O on", asked_as,
                       "it lies over several disks; give a limit for each of: " + join(names, ", "));
    }
    const auto text = read_file((below[0] / "dev").string());
    const auto next = text ? parse_device(*text) : std::nullopt;
    if (!next) return bad_input("cannot find the disk under", asked_as);
    device = *next;
  }
  return bad_input("too many layers under", asked_as);
}

Result<BlockDevice> find_block_device(const std::string& name) {
  if (const auto numbers = parse_device(name)) return whole_disk(*numbers, "/sys", name);
  std::string path = name;
  if (!path.starts_with("/") && exists_at(AT_FDCWD, "/sys/class/block/" + name) && !name.contains('/'))
    path = "/dev/" + name;
  struct stat info {};
  if (::stat(path.c_str(), &info) != 0)
    return sys_error("no such disk or path:", name, errno,
                     "give MAJ:MIN, a disk such as /dev/sda, or a path on it");
  if (S_ISCHR(info.st_mode)) return bad_input("not a disk:", name, "it is a character device");
  if (S_ISBLK(info.st_mode)) return whole_disk({major(info.st_rdev), minor(info.st_rdev)}, "/sys", name);
  BlockDevice device{major(info.st_dev), minor(info.st_dev)};
  if (device.major == 0) {
    TRY(device, from_mount(path));
  }
  return whole_disk(device, "/sys", name);
}

bool any_disk_uses_bfq() {
  std::error_code error;
  for (const auto& disk : fs::directory_iterator("/sys/class/block", error)) {
    const auto scheduler = read_file((disk.path() / "queue/scheduler").string());
    if (scheduler && scheduler->contains("[bfq]")) return true;
  }
  return false;
}

}  // namespace ffrtmp
