#include "cgroup/placement.h"

#include <fcntl.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <sys/xattr.h>
#include <unistd.h>

#include <algorithm>
#include <cstring>

#include "cgroup/kernel_files.h"
#include "proc/procfs.h"
#include "sys/file.h"
#include "sys/text.h"

namespace ffrtmp {

namespace {

constexpr char kSlice[] = "ffrtmp.slice";
constexpr char kScope[] = "ffrtmp-jobs.scope";
constexpr char kOwnFolder[] = "ffrtmp";
/// Where processes that stand in a delegated cgroup themselves go, so that it may have children with
/// controllers. Job ids start with a letter or digit: no job can have this name.
constexpr char kSupervisor[] = "_supervisor";

std::string join_path(const std::string& above, const std::string& name) {
  return above == "/" ? "/" + name : above + "/" + name;
}
std::string parent_path(const std::string& path) {
  const size_t slash = path.rfind('/');
  return slash == 0 || slash == std::string::npos ? "/" : path.substr(0, slash);
}

/// systemd marks what it delegates: trusted.delegate (root reads it) and user.delegate (251), on the folder.
bool marked_delegated(const std::string& folder) {
  char value[8];
  for (const char* name : {"user.delegate", "trusted.delegate"})
    if (::getxattr(folder.c_str(), name, value, sizeof value) == 1 && value[0] == '1') return true;
  return false;
}

bool may_write(const std::string& folder) {
  return ::access(folder.c_str(), W_OK) == 0 &&
         ::access((folder + "/" + kCgroupSubtreeControl).c_str(), W_OK) == 0;
}

/// The cgroup delegated to us that we stand in (v2 only: v1 delegation is not safe and systemd does not do
/// it).
std::optional<std::string> own_delegated_cgroup(const Host& host) {
  const Hierarchy* h = host.unified();
  if (!h || h->read_only) return std::nullopt;
  if (!host.systemd) {
    // A container: the top of what we see is not the top of the host (which alone has no cgroup.type).
    const auto top = h->folder("/");
    if (top && exists_at(AT_FDCWD, *top + "/" + kCgroupType) && may_write(*top)) return "/";
    return std::nullopt;
  }
  for (std::string path = h->self; path != "/"; path = parent_path(path)) {
    const auto folder = h->folder(path);
    if (!folder) return std::nullopt;
    // The user manager's own subtree is delegated too, but to the manager: we ask it for a scope instead.
    const bool manager = path.ends_with(".service") && path.substr(path.rfind('/') + 1).starts_with("user@");
    const bool ours = path.ends_with(std::string("/") + kScope);
    if (manager || ours) return std::nullopt;
    if (marked_delegated(*folder)) return may_write(*folder) ? std::optional(path) : std::nullopt;
  }
  return std::nullopt;
}

std::string bus_path(const Host& host) {
  return host.uid == 0 ? "/run/dbus/system_bus_socket" : "/run/user/" + std::to_string(host.uid) + "/bus";
}

std::string user_manager_path(uid_t uid) {
  const std::string id = std::to_string(uid);
  return "/user.slice/user-" + id + ".slice/user@" + id + ".service";
}

std::string scope_path(const Host& host, PlacementKind kind) {
  const std::string below = std::string("/") + kSlice + "/" + kScope;
  return kind == PlacementKind::systemd_system ? below : user_manager_path(host.uid) + below;
}

/// Empties a cgroup of its own processes into a sibling leaf of the jobs: with processes in it, it may not
/// have children with controllers ("no internal processes").
Status move_processes_aside(const CgroupDir& dir) {
  const auto own = read_file_at(dir.fd.get(), kCgroupProcs);
  if (!own || trim(*own).empty()) return {};
  if (::mkdirat(dir.fd.get(), kSupervisor, 0755) != 0 && errno != EEXIST)
    return sys_error("making cgroup", join_path(dir.path, kSupervisor));
  for (int pass = 0; pass < 20; pass++) {
    const std::string text = read_or_empty(dir.fd.get(), kCgroupProcs);
    const auto pids = words(text);
    if (pids.empty()) return {};
    for (std::string_view pid : pids) {
      // The process may have ended by now (ESRCH). A PID that changed hands would have to be born in this
      // very cgroup to be read here, so a stranger from elsewhere cannot be moved.
      const auto moved = write_control(dir.fd.get(), std::string(kSupervisor) + "/" + kCgroupProcs, pid);
      if (!moved && moved.error().errnum != ESRCH) return moved;
    }
  }
  return sys_error("moving processes aside in", dir.path, EBUSY);
}

Result<CgroupDir> make_child(const CgroupDir& above, const std::string& name) {
  if (::mkdirat(above.fd.get(), name.c_str(), 0755) != 0 && errno != EEXIST)
    return sys_error("making cgroup", join_path(above.path, name));
  return open_cgroup(above.hierarchy, join_path(above.path, name));
}

/// v1: a cpuset without CPUs and memory nodes takes no process; children do not inherit them.
void inherit_cpuset(const CgroupDir& dir) {
  for (const char* file : {kCpusetCpus, kV1CpusetMems}) {
    const auto own = read_file_at(dir.fd.get(), file);
    const auto above = read_file_at(dir.fd.get(), std::string("../") + file);
    if (own && trim(*own).empty() && above) (void)write_control(dir.fd.get(), file, trim(*above));
  }
}

/// Fills in why controllers are not there at all: not mounted, or in a hierarchy without a base of ours.
void explain_absent(const Host& host, Base& base) {
  for (const Controller controller : kControllers) {
    if (base.missing.contains(controller)) continue;
    const Hierarchy* h = host.of(controller);
    const bool has_dir = h && std::ranges::any_of(base.dirs, [&](const CgroupDir& d) {
                           return d.hierarchy.mount_point == h->mount_point;
                         });
    if (!h)
      base.missing[controller] =
          "this kernel offers no " + std::string(controller_name(controller)) + " controller here";
    else if (!has_dir && h->dialect == Dialect::v1 && host.systemd)
      base.missing[controller] = "cgroup v1 hierarchy at " + h->mount_point + " is not delegated to us";
    else if (!has_dir)
      base.missing[controller] = "no writable cgroup at " + h->mount_point;
  }
}

Result<Base> open_parent(const Host& host, const std::string& asked) {
  Base base;
  base.kind = PlacementKind::parent;
  std::optional<Error> first;
  for (const auto& h : host.hierarchies) {
    std::string path = asked;
    if (asked == h.mount_point || asked.starts_with(h.mount_point + "/"))
      path = join_path(h.mount_root, asked.substr(std::min(asked.size(), h.mount_point.size() + 1)));
    else if (!asked.starts_with("/"))
      path = "/" + asked;
    while (path.size() > 1 && path.ends_with("/")) path.pop_back();
    auto dir = open_cgroup(h, path);
    if (!dir) {
      if (!first) first = dir.error();
      continue;
    }
    if (::faccessat(dir->fd.get(), ".", W_OK, AT_EACCESS) != 0) {
      if (!first) first = sys_error("writing to cgroup", path).error();
      continue;
    }
    base.dirs.push_back(std::move(*dir));
  }
  if (base.dirs.empty()) {
    Error error = first.value_or(Error{"no cgroup file system for", asked, 0, host.trouble, ExitCode::ours});
    error.hint = "--cgroup-parent wants a cgroup that exists and is delegated to you, such as /my.slice";
    return std::unexpected(error);
  }
  for (auto& dir : base.dirs) {
    if (dir.hierarchy.dialect == Dialect::v1) {
      if (dir.hierarchy.has(Controller::cpuset)) inherit_cpuset(dir);
      continue;
    }
    // Only a cgroup that we stand in ourselves is emptied; elsewhere a refusal is told (EBUSY) and nothing
    // moved.
    if (dir.hierarchy.self == dir.path && dir.path != "/") TRY_OK(move_processes_aside(dir));
    enable_controllers(dir, base.missing);
  }
  explain_absent(host, base);
  return base;
}

Result<Base> open_own_subtree(const Host& host) {
  const auto path = own_delegated_cgroup(host);
  if (!path) return bad_input("no cgroup is delegated to us", "");
  TRY(CgroupDir top, open_cgroup(*host.unified(), *path));
  TRY_OK(move_processes_aside(top));
  Base base;
  base.kind = PlacementKind::own_subtree;
  enable_controllers(top, base.missing);
  TRY(CgroupDir own, make_child(top, kOwnFolder));
  std::map<Controller, std::string> again;  // what the level above lacks is told already
  enable_controllers(own, again);
  for (auto& [controller, why] : again) base.missing.try_emplace(controller, why);
  base.dirs.push_back(std::move(own));
  if (host.systemd) base.unit = path->substr(path->rfind('/') + 1);
  explain_absent(host, base);
  return base;
}

/// Whether a hierarchy does something for this job: v2 always (it can be ended and frozen as one there); on
/// v1 what has an asked limit, and what accounts CPU time and memory; the freezer only where there is no v2.
bool useful(const Hierarchy& h, const Host& host, const PlacementRequest& request) {
  if (h.read_only) return false;
  const bool idle_v2 = h.dialect == Dialect::v2 && host.kind == Host::Kind::hybrid &&
                       std::ranges::none_of(kControllers, [&](Controller c) { return h.has(c); });
  if (h.dialect == Dialect::v2) return !(idle_v2 && request.by_moving);
  const auto named = [&](const char* name) { return std::ranges::find(h.names, name) != h.names.end(); };
  return named("memory") || named("cpuacct") || named("name=systemd") ||
         (named("freezer") && !host.unified()) ||
         std::ranges::any_of(request.controllers, [&](Controller c) { return h.has(c); });
}

Result<Base> open_root(const Host& host, const PlacementRequest& request) {
  Base base;
  base.kind = PlacementKind::root;
  std::optional<Error> first;
  for (const auto& h : host.hierarchies) {
    const bool named =
        std::ranges::any_of(h.names, [](const std::string& name) { return name.starts_with("name="); });
    if (!useful(h, host, request) || named) continue;
    auto top = open_cgroup(h, h.mount_root);
    auto own = top ? make_child(*top, kOwnFolder) : std::move(top);
    if (!own) {
      if (!first) first = own.error();
      continue;
    }
    if (h.dialect == Dialect::v2) {
      TRY(const CgroupDir again, open_cgroup(h, h.mount_root));
      enable_controllers(again, base.missing);
      std::map<Controller, std::string> below;
      enable_controllers(*own, below);
      for (auto& [controller, why] : below) base.missing.try_emplace(controller, why);
    } else if (h.has(Controller::cpuset)) {
      inherit_cpuset(*own);
    }
    base.dirs.push_back(std::move(*own));
  }
  if (base.dirs.empty())
    return std::unexpected(
        first.value_or(Error{"no writable cgroup hierarchy", "", 0, host.trouble, ExitCode::ours}));
  explain_absent(host, base);
  return base;
}

/// Opens the folders of the scope in every hierarchy where systemd made it.
std::vector<CgroupDir> scope_dirs(const Host& host, PlacementKind kind, const PlacementRequest& request) {
  std::vector<CgroupDir> out;
  for (const auto& h : host.hierarchies)
    if (auto dir =
            useful(h, host, request) ? open_cgroup(h, scope_path(host, kind)) : sys_error("", "", ENOENT))
      if (::faccessat(dir->fd.get(), ".", W_OK, AT_EACCESS) == 0) out.push_back(std::move(*dir));
  return out;
}

Result<Base> open_scope(const Host& host, PlacementKind kind, const PlacementRequest& request) {
  Base base;
  base.kind = kind;
  base.unit = kScope;
  base.dirs = scope_dirs(host, kind, request);
  // systemd takes a scope down hierarchy by hierarchy: only one that is populated where systemd itself looks
  // is alive.
  if (host.unified()) {
    const auto tracked =
        std::ranges::find(base.dirs, Dialect::v2, [](const CgroupDir& d) { return d.hierarchy.dialect; });
    const bool alive =
        tracked != base.dirs.end() &&
        keyed_value(read_or_empty(tracked->fd.get(), kCgroupEvents), "populated").value_or(0) != 0;
    if (!alive) base.dirs.clear();
  }
  if (base.dirs.empty()) {
    // Nothing of ours lives yet: one bus call makes the scope in which this job and the next ones are born.
    // Whether it lasts past this job is systemd's: it goes with its last process.
    TRY(base.keeper,
        start_scope(kind == PlacementKind::systemd_system ? "--system" : "--user", kScope, kSlice));
    base.dirs = scope_dirs(host, kind, request);
    if (base.dirs.empty())
      return sys_error("opening the scope that systemd made at", scope_path(host, kind), ENOENT);
  }
  for (const auto& dir : base.dirs) {
    if (dir.hierarchy.dialect == Dialect::v2) {
      // Whoever makes the scope stands in it for a moment before stepping aside: not a reason to go without.
      for (int wait = 0; wait < 200 && !trim(read_or_empty(dir.fd.get(), kCgroupProcs)).empty(); wait++)
        ::usleep(10'000);
      enable_controllers(dir, base.missing);
    } else if (dir.hierarchy.has(Controller::cpuset)) {
      inherit_cpuset(dir);
    }
  }
  if (kind == PlacementKind::systemd_user)
    for (auto& [controller, why] : base.missing)
      why = "systemd delegates no " + std::string(controller_name(controller)) +
            " to user managers here; see docs/DELEGATION.md for the user@.service drop-in";
  explain_absent(host, base);
  return base;
}

}  // namespace

std::string_view placement_name(PlacementKind kind) {
  switch (kind) {
    case PlacementKind::parent: return "cgroup-parent";
    case PlacementKind::own_subtree: return "delegated subtree";
    case PlacementKind::systemd_system: return "systemd scope";
    case PlacementKind::systemd_user: return "systemd user scope";
    case PlacementKind::root: return "cgroup root";
    case PlacementKind::none: return "none";
  }
  return "";
}

void enable_controllers(const CgroupDir& dir, std::map<Controller, std::string>& missing) {
  const std::string available_text = read_or_empty(dir.fd.get(), kCgroupControllers);
  const std::string enabled_text = read_or_empty(dir.fd.get(), kCgroupSubtreeControl);
  const auto available = words(available_text);
  const auto enabled = words(enabled_text);
  const auto in = [](const std::vector<std::string_view>& list, Controller c) {
    return std::ranges::find(list, controller_name(c)) != list.end();
  };
  std::string all;
  std::vector<Controller> wanted;
  for (const Controller controller : kControllers) {
    if (!dir.hierarchy.has(controller)) continue;  // lives in another hierarchy, or nowhere
    if (!in(available, controller))
      missing.try_emplace(controller, "not enabled for " + dir.path + " by the level above");
    else if (!in(enabled, controller)) {
      wanted.push_back(controller);
      all += (all.empty() ? "+" : " +") + std::string(controller_name(controller));
    }
  }
  if (wanted.empty() || write_control(dir.fd.get(), kCgroupSubtreeControl, all)) return;
  // One that is refused must not take the others with it.
  for (const Controller controller : wanted) {
    const std::string name(controller_name(controller));
    const auto one = write_control(dir.fd.get(), kCgroupSubtreeControl, "+" + name);
    if (one) continue;
    const int error = one.error().errnum;
    const bool realtime = controller == Controller::cpu && error == EINVAL;
    missing.try_emplace(controller, realtime ? "a real-time thread in " + dir.path +
                                                   " blocks the cpu controller (see ps -eLo pid,cls,comm)"
                                    : error == EBUSY ? dir.path + " has processes of its own"
                                                     : "enabling " + name + " in " + dir.path + ": " +
                                                           strerrordesc_np(error));
  }
}

Result<std::vector<PlacementKind>> placement_candidates(const Host& host, const PlacementRequest& request) {
  using enum PlacementKind;
  if (request.parent) {
    if (request.mode == PlacementMode::none || request.mode == PlacementMode::systemd)
      return bad_input("--cgroup-parent contradicts", "--placement");
    return std::vector{parent};
  }
  if (request.mode == PlacementMode::none) return std::vector<PlacementKind>{};
  const PlacementKind manager = host.uid == 0 ? systemd_system : systemd_user;
  const bool reachable = host.systemd && ::access(bus_path(host).c_str(), W_OK) == 0;
  if (request.mode == PlacementMode::systemd) {
    if (!host.systemd)
      return bad_input("--placement systemd:", "PID 1 is not systemd on this host",
                       "leave it out, or say --placement cgroup");
    if (!reachable)
      return bad_input("--placement systemd: no manager answers at", bus_path(host),
                       "loginctl enable-linger gives this user one");
    return std::vector{manager};
  }
  std::vector<PlacementKind> out;
  const bool delegated = own_delegated_cgroup(host).has_value();
  // A job that must outlive the caller's unit cannot live in that unit's subtree, if there is another place.
  if (delegated && !request.leave_callers_unit) out.push_back(own_subtree);
  if (reachable && request.mode == PlacementMode::automatic) out.push_back(manager);
  if (delegated && request.leave_callers_unit) out.push_back(own_subtree);
  if (host.uid == 0 && !host.systemd && host.kind != Host::Kind::none) {
    if (!delegated) out.push_back(root);
  }
  if (request.mode == PlacementMode::cgroup && out.empty())
    return bad_input("--placement cgroup: no cgroup here is ours to write", "",
                     host.systemd ? "systemd owns the tree; say --placement systemd, or name a delegated "
                                    "cgroup with --cgroup-parent"
                                  : "name a cgroup that you may write with --cgroup-parent");
  return out;
}

std::string scope_cgroup(const Host& host) {
  return scope_path(host, host.uid == 0 ? PlacementKind::systemd_system : PlacementKind::systemd_user);
}

std::string why_no_place(const Host& host, const PlacementRequest& request) {
  if (request.mode == PlacementMode::none) return "";
  if (host.kind == Host::Kind::none) return "no cgroups: " + host.trouble;
  const auto candidates = placement_candidates(host, request);
  if (!candidates || !candidates->empty()) return "";
  if (host.systemd)
    return "no cgroup: no service manager answers at " + bus_path(host) +
           (host.uid == 0 ? "" : " (loginctl enable-linger gives this user one)");
  return "no cgroup: none is delegated to this user (an administrator can: see docs/DELEGATION.md)";
}

Result<Base> open_base(const Host& host, PlacementKind kind, const PlacementRequest& request) {
  switch (kind) {
    case PlacementKind::parent: return open_parent(host, *request.parent);
    case PlacementKind::own_subtree: return open_own_subtree(host);
    case PlacementKind::systemd_system:
    case PlacementKind::systemd_user: return open_scope(host, kind, request);
    case PlacementKind::root: return open_root(host, request);
    case PlacementKind::none: break;
  }
  return bad_input("no placement", "");
}

namespace {

std::unexpected<Error> living(const CgroupDir& above, const std::string& name) {
  return sys_error("a living job has this id, in cgroup", join_path(above.path, name), EEXIST,
                   "choose another --job-id, or see ffrtmp status " + name);
}

/// Whether the name still leads to this very cgroup: another launch may have taken it for a leftover.
bool still_named(const CgroupDir& above, const std::string& name, const CgroupDir& dir) {
  struct stat by_name {
  }, by_fd{};
  return ::fstatat(above.fd.get(), name.c_str(), &by_name, 0) == 0 && ::fstat(dir.fd.get(), &by_fd) == 0 &&
         by_name.st_ino == by_fd.st_ino;
}

/// Makes one folder of a leaf, clearing away what a killed wrapper left. A lock on the folder (flock(2),
/// which goes with its holder) tells a leaf in which nothing lives yet from one in which nothing lives any
/// more.
Result<CgroupDir> make_leaf_dir(const CgroupDir& above, const std::string& name) {
  for (int round = 0; round < 8; round++) {
    const bool made = ::mkdirat(above.fd.get(), name.c_str(), 0755) == 0;
    if (!made && errno != EEXIST) return sys_error("making cgroup", join_path(above.path, name));
    auto dir = open_cgroup(above.hierarchy, join_path(above.path, name));
    if (!dir && dir.error().errnum == ENOTDIR)
      return bad_input("cannot make a cgroup named", name,
                       "the kernel uses that name; choose another --job-id");
    if (!dir) continue;  // taken for a leftover before we could lock it
    if (::flock(dir->fd.get(), LOCK_EX | LOCK_NB) != 0) return living(above, name);
    if (!still_named(above, name, *dir)) continue;
    if (made) return dir;
    Leaf stale;
    stale.name = name;
    stale.dirs.push_back(std::move(*dir));
    if (stale.populated()) return living(above, name);
    TRY_OK(stale.remove());
  }
  return living(above, name);
}

}  // namespace

Result<Leaf> make_leaf(const Base& base, const std::string& name) {
  Leaf leaf;
  leaf.name = name;
  // v2 first: where it is, its folder is the lock that decides, and the others follow.
  std::vector<const CgroupDir*> order;
  for (const auto& dir : base.dirs) order.push_back(&dir);
  std::ranges::stable_sort(order, {}, [](const CgroupDir* d) { return d->hierarchy.dialect; });
  for (const CgroupDir* above : order) {
    auto dir = make_leaf_dir(*above, name);
    if (!dir) {
      (void)leaf.remove();
      return std::unexpected(dir.error());
    }
    if (above->hierarchy.dialect == Dialect::v1 && above->hierarchy.has(Controller::cpuset))
      inherit_cpuset(*dir);
    leaf.dirs.push_back(std::move(*dir));
  }
  return leaf;
}

Result<Leaf> shared_leaf(const Base& base, const std::string& name) {
  Leaf leaf;
  leaf.name = name;
  for (const auto& above : base.dirs) {
    TRY(CgroupDir dir, make_child(above, name));
    if (dir.hierarchy.dialect == Dialect::v1 && dir.hierarchy.has(Controller::cpuset)) inherit_cpuset(dir);
    leaf.dirs.push_back(std::move(dir));
  }
  return leaf;
}

namespace {

/// Whether this process is in the leaf's v2 cgroup, by the kernel's own word.
bool stands_in(const CgroupDir& dir) {
  const std::string text = read_or_empty(AT_FDCWD, "/proc/self/cgroup");
  return std::ranges::any_of(parse_proc_cgroup(text), [&](const CgroupLine& line) {
    return line.controllers.empty() && line.path == dir.path;
  });
}

}  // namespace

bool needs_adoption(const Host& host, const Base& base) {
  const Hierarchy* h = host.unified();
  return base.kind == PlacementKind::systemd_user && h &&
         !h->self.starts_with(user_manager_path(host.uid) + "/");
}

Status stand_in(const Host& host, const Base& base, const Leaf& leaf) {
  for (const auto& dir : leaf.dirs) {
    if (dir.hierarchy.dialect == Dialect::v1) {
      TRY_OK(write_control(dir.fd.get(), kV1Tasks, "0"));
      continue;
    }
    if (stands_in(dir)) continue;
    if (needs_adoption(host, base))
      TRY_OK(attach_to_scope("--user", kScope, "/" + leaf.name, ::getpid()));
    else
      TRY_OK(write_control(dir.fd.get(), kCgroupProcs, "0"));
    if (!stands_in(dir)) return bad_input("we are not in cgroup", dir.path);
  }
  return {};
}

Status move_into(const Host&, const Base& base, const Leaf& leaf, const CgroupDir& dir, pid_t pid) {
  const auto moved = write_control(dir.fd.get(), kCgroupProcs, std::to_string(pid));
  const bool refused = !moved && (moved.error().errnum == EACCES || moved.error().errnum == EPERM);
  if (!refused || base.kind != PlacementKind::systemd_user || dir.hierarchy.dialect != Dialect::v2)
    return moved;
  return attach_to_scope("--user", kScope, "/" + leaf.name, pid);
}

void remove_stale_leaves(const Host& host) {
  constexpr time_t kOldEnough = 60;
  timespec now{};
  ::clock_gettime(CLOCK_REALTIME, &now);
  for (const auto& h : host.hierarchies) {
    std::vector<std::string> bases{join_path(h.mount_root, kOwnFolder)};
    if (host.systemd) bases = {scope_cgroup(host)};
    for (const auto& path : bases) {
      const auto base = open_cgroup(h, path);
      if (!base) continue;
      for (const auto& name : folders_in(base->fd.get())) {
        struct stat info {};
        if (::fstatat(base->fd.get(), name.c_str(), &info, 0) == 0 &&
            now.tv_sec - info.st_ctim.tv_sec > kOldEnough)
          (void)::unlinkat(base->fd.get(), name.c_str(), AT_REMOVEDIR);
      }
    }
  }
}

}  // namespace ffrtmp
