#pragma once

#include <map>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "cgroup/host.h"
#include "cgroup/leaf.h"
#include "cgroup/scope_keeper.h"
#include "sys/result.h"

namespace ffrtmp {

/// What the operator said about where the workload should live (--placement, --cgroup-parent).
enum class PlacementMode { automatic, systemd, cgroup, none };

struct PlacementRequest {
  PlacementMode mode = PlacementMode::automatic;
  std::optional<std::string> parent;  ///< --cgroup-parent: a cgroup path, or its folder under the mount point
  /// The controllers whose limits are asked for: on v1 each costs a cgroup in a hierarchy of its own.
  std::set<Controller> controllers;
  /// This very process becomes the workload (--exec): it moves into its cgroups, which on v2 takes
  /// milliseconds.
  bool by_moving = false;
  /// The workload must outlive the unit that the caller runs in (--detach).
  bool leave_callers_unit = false;
};

/// Where a base lies, from the most to the least wished for.
enum class PlacementKind {
  parent,          ///< below --cgroup-parent
  own_subtree,     ///< below the cgroup that was delegated to us (Delegate=yes, a container's root)
  systemd_system,  ///< a delegated scope of the system manager
  systemd_user,    ///< a delegated scope of the user manager
  root,            ///< ffrtmp/ at the top of the hierarchies; PID 1 is not systemd
  none,            ///< no cgroup: the ladder only
};
std::string_view placement_name(PlacementKind kind);

/// A place below which leaves can be made: the base of all jobs of this user on this host.
struct Base {
  PlacementKind kind = PlacementKind::none;
  std::vector<CgroupDir> dirs;
  /// Why a controller is not to be had below this base.
  std::map<Controller, std::string> missing;
  std::string unit;    ///< the systemd unit whose stop ends the jobs; empty when there is none
  ScopeKeeper keeper;  ///< keeps a scope that was just made alive until the workload is in it
};

/// The places to try for a request on this host, best first. Empty means: ladder only.
/// Errors: a request that this host cannot satisfy (asked for by name).
Result<std::vector<PlacementKind>> placement_candidates(const Host& host, const PlacementRequest& request);

/// The cgroup of the scope that holds all jobs of this user, whether or not it lives now.
std::string scope_cgroup(const Host& host);

/// Why there is no place at all on this host, and what would give one; "" where there is one or none was
/// wanted.
std::string why_no_place(const Host& host, const PlacementRequest& request);

/// Opens (making what is missing) the base of one kind: creates it and enables controllers for the leaves. On
/// a systemd host nothing outside delegated cgroups is written. Errors leave nothing half done.
Result<Base> open_base(const Host& host, PlacementKind kind, const PlacementRequest& request);

/// Makes the cgroup of one job below the base; mkdir is the lock. EEXIST: a living job has this name.
Result<Leaf> make_leaf(const Base& base, const std::string& name);

/// A leaf below the base that several processes share (the recorders'); made where it is missing.
Result<Leaf> shared_leaf(const Base& base, const std::string& name);
/// Where recorders stand, beside the jobs and out of their limits. No job can have this name.
inline constexpr char kRecordersLeaf[] = "_recorders";

/// Whether a process of ours can go into the base's leaves only with the manager's help: a normal user in a
/// login session or a system service stands outside what was delegated to the user manager.
bool needs_adoption(const Host& host, const Base& base);
/// Puts this very process into a leaf of the base, with the manager's help where it takes that; read back.
Status stand_in(const Host& host, const Base& base, const Leaf& leaf);

/// Moves another process, all of its threads, into a cgroup of a leaf, with the manager's help where it takes
/// that (a process of the user's in a login session). Errors: the kernel's or the manager's refusal. That the
/// process is still the one that was meant is the caller's to see to: the kernel takes a number.
Status move_into(const Host& host, const Base& base, const Leaf& leaf, const CgroupDir& dir, pid_t pid);

/// Removes leaves of this user's bases in which nothing lives and that are older than a minute: what a
/// wrapper that was killed at the wrong moment left. (rmdir refuses every cgroup that is in use.)
void remove_stale_leaves(const Host& host);

/// Enables controllers for the children of a v2 cgroup; whatever cannot be had is told in `missing`.
void enable_controllers(const CgroupDir& dir, std::map<Controller, std::string>& missing);

}  // namespace ffrtmp
