#pragma once

#include <string>
#include <vector>

#include "cgroup/host.h"
#include "sys/fd.h"
#include "sys/result.h"
#include "sys/units.h"

namespace ffrtmp {

/// One cgroup of one hierarchy, held by its descriptor: its name may be given to another, the descriptor may
/// not.
struct CgroupDir {
  Hierarchy hierarchy;
  std::string path;  ///< as /proc/PID/cgroup gives it, from the hierarchy's root
  Fd fd;

  /// How many levels it lies below the top of its mount: how far up effective limits are looked for.
  int depth() const;
};

/// Opens the cgroup at `path` of a hierarchy. ENOENT when it is not there or not shown by the mount.
Result<CgroupDir> open_cgroup(const Hierarchy& hierarchy, const std::string& path);

/// The cgroup of one job: a folder of the same name in each hierarchy that takes part. Nothing else lives in
/// it.
class Leaf {
 public:
  std::string name;
  /// We made it. Where a job was limited in the cgroup in which it stood before, that one is somebody else's:
  /// never removed, nor killed through its files.
  bool ours = true;
  std::vector<CgroupDir> dirs;

  const CgroupDir* unified() const;
  const CgroupDir* of(Controller controller) const;
  /// Whether a process of the job is left (v2 cgroup.events; v1 cgroup.procs of any hierarchy).
  bool populated() const;
  /// Waits until nothing lives in it, at most so long (v2: on cgroup.events; v1 has no such event and is
  /// polled).
  bool wait_until_empty(Duration longest) const;
  /// The processes in it and below; a snapshot.
  std::vector<pid_t> processes() const;
  /// Ends every process in it (cgroup.kill, or SIGKILL under the v1 freezer). Only for an operator's word.
  Status kill() const;
  /// Removes it where nothing lives in it (EBUSY otherwise). Absent folders are fine, and so is one that is
  /// not ours: it stays.
  Status remove();
};

/// One folder of a leaf, as a record remembers it: `id` is its inode, which on kernfs is never given twice in
/// a boot. A path may meanwhile be another job's.
struct LeafPlace {
  std::string mount_point, path;
  uint64_t id = 0;
  bool operator==(const LeafPlace&) const = default;
};
std::vector<LeafPlace> places_of(const Leaf& leaf);

/// Opens again the leaf that a record names; folders that are gone, or are others of the same name, are left
/// out.
Leaf reopen_leaf(const Host& host, const std::string& name, const std::vector<LeafPlace>& places);

}  // namespace ffrtmp
