#include "cgroup/leaf.h"

#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <chrono>
#include <set>
#include <thread>

#include "cgroup/kernel_files.h"
#include "proc/process_ref.h"
#include "proc/procfs.h"
#include "sys/clock.h"
#include "sys/file.h"
#include "sys/text.h"

namespace ffrtmp {

int CgroupDir::depth() const {
  std::string below = path;
  if (hierarchy.mount_root != "/" && below.starts_with(hierarchy.mount_root))
    below.erase(0, hierarchy.mount_root.size());
  if (below == "/") return 0;
  return static_cast<int>(std::ranges::count(below, '/'));
}

Result<CgroupDir> open_cgroup(const Hierarchy& hierarchy, const std::string& path) {
  const auto folder = hierarchy.folder(path);
  if (!folder)
    return sys_error("opening cgroup", path, ENOENT,
                     "the mount at " + hierarchy.mount_point + " does not show it");
  TRY(Fd fd, open_dir(AT_FDCWD, *folder));
  return CgroupDir{hierarchy, path, std::move(fd)};
}

const CgroupDir* Leaf::unified() const {
  const auto found =
      std::ranges::find_if(dirs, [](const CgroupDir& d) { return d.hierarchy.dialect == Dialect::v2; });
  return found == dirs.end() ? nullptr : &*found;
}

const CgroupDir* Leaf::of(Controller controller) const {
  const auto found =
      std::ranges::find_if(dirs, [&](const CgroupDir& d) { return d.hierarchy.has(controller); });
  return found == dirs.end() ? nullptr : &*found;
}

bool Leaf::populated() const {
  if (const auto* v2 = unified()) {
    const auto events = read_file_at(v2->fd.get(), kCgroupEvents);
    return events && keyed_value(*events, "populated").value_or(0) != 0;
  }
  return !processes().empty();
}

namespace {

void collect(int dir, std::set<pid_t>& into, int depth) {
  const std::string text = read_or_empty(dir, kCgroupProcs);
  for (std::string_view word : words(text))
    if (const auto pid = parse_i64(word); pid && *pid > 0) into.insert(static_cast<pid_t>(*pid));
  if (depth > 8) return;
  for (const auto& name : folders_in(dir))
    if (const auto below = open_dir(dir, name)) collect(below->get(), into, depth + 1);
}

/// Removes a cgroup and the empty ones below it, deepest first (a workload may have made its own).
Status remove_tree(int parent, const std::string& name, int depth) {
  if (::unlinkat(parent, name.c_str(), AT_REMOVEDIR) == 0 || errno == ENOENT || errno == ENODEV) return {};
  if (errno != EBUSY || depth > 8) return sys_error("removing cgroup", name);
  TRY(Fd dir, open_dir(parent, name));
  for (const auto& below : folders_in(dir.get())) TRY_OK(remove_tree(dir.get(), below, depth + 1));
  // A process that was just reaped may hold its cgroup for another moment (v1, and exit work on v2).
  for (int attempt = 0;; attempt++) {
    if (::unlinkat(parent, name.c_str(), AT_REMOVEDIR) == 0 || errno == ENOENT || errno == ENODEV) return {};
    if (errno != EBUSY || attempt == 6) return sys_error("removing cgroup", name);
    std::this_thread::sleep_for(std::chrono::milliseconds(1 << attempt));
  }
}

}  // namespace

std::vector<pid_t> Leaf::processes() const {
  std::set<pid_t> found;
  if (const auto* v2 = unified())
    collect(v2->fd.get(), found, 0);
  else
    for (const auto& dir : dirs) collect(dir.fd.get(), found, 0);
  return {found.begin(), found.end()};
}

bool Leaf::wait_until_empty(Duration longest) const {
  const Duration deadline = monotonic_now() + longest;
  const auto* v2 = unified();
  const auto events = v2 ? open_at(v2->fd.get(), kCgroupEvents, O_RDONLY) : sys_error("", "", ENOENT);
  while (!dirs.empty() && populated()) {
    const auto left =
        std::chrono::duration_cast<std::chrono::milliseconds>(deadline - monotonic_now()).count();
    if (left <= 0) return false;
    pollfd changed{events ? events->get() : -1, POLLPRI, 0};
    // populated() has just read the file by another descriptor: this one would sleep over a change in
    // between, so it never sleeps long.
    ::poll(&changed, 1, static_cast<int>(std::min<int64_t>(left, 20)));
  }
  return true;
}

Status Leaf::kill() const {
  if (const auto* v2 = ours ? unified() : nullptr) {
    const auto killed = write_control(v2->fd.get(), kCgroupKill, "1");
    if (killed || killed.error().errnum != ENOENT) return killed;
  }
  // Before 5.14, and on v1: until a pass finds nobody. Each member is held by its pidfd before it is
  // signalled, and looked for again in the leaf after that, so that a PID that changed hands is not hit.
  for (int pass = 0; pass < 50; pass++) {
    const auto members = processes();
    if (members.empty()) return {};
    for (const pid_t pid : members) {
      const auto process = ProcessRef::open(pid);
      if (!process) continue;
      const auto still = processes();
      if (std::ranges::find(still, pid) != still.end()) (void)process->signal(SIGKILL);
    }
    std::this_thread::sleep_for(std::chrono::milliseconds(2));
  }
  return sys_error("ending every process of", name, EBUSY, "some are in uninterruptible sleep");
}

Status Leaf::remove() {
  if (!ours) return {};
  Status worst;
  for (auto& dir : dirs) {
    const auto removed = remove_tree(dir.fd.get(), "../" + name, 0);
    if (!removed) worst = removed;
  }
  return worst;
}

namespace {

uint64_t inode_of(int dir) {
  struct stat info {};
  return ::fstat(dir, &info) == 0 ? info.st_ino : 0;
}

}  // namespace

std::vector<LeafPlace> places_of(const Leaf& leaf) {
  std::vector<LeafPlace> out;
  for (const auto& dir : leaf.dirs)
    out.push_back({dir.hierarchy.mount_point, dir.path, inode_of(dir.fd.get())});
  return out;
}

Leaf reopen_leaf(const Host& host, const std::string& name, const std::vector<LeafPlace>& places) {
  Leaf leaf;
  leaf.name = name;
  for (const auto& place : places)
    for (const auto& hierarchy : host.hierarchies) {
      if (hierarchy.mount_point != place.mount_point) continue;
      auto dir = open_cgroup(hierarchy, place.path);
      if (dir && inode_of(dir->fd.get()) == place.id) leaf.dirs.push_back(std::move(*dir));
    }
  return leaf;
}

}  // namespace ffrtmp
