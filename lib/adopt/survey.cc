#include "adopt/survey.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>

#include "adopt/threads.h"
#include "cgroup/freezer.h"
#include "cgroup/kernel_files.h"
#include "cgroup/scope_keeper.h"
#include "proc/processes.h"
#include "sys/file.h"
#include "sys/text.h"

namespace ffrtmp {

namespace {

std::string user_name(uid_t uid) {
  const std::string passwd = read_or_empty(AT_FDCWD, "/etc/passwd");
  for (const auto line : lines(passwd)) {
    const auto field = split(line, ':');
    if (field.size() > 2 && parse_u64(field[2]) == uid) return std::string(field[0]);
  }
  return "uid " + std::to_string(uid);
}

std::vector<std::string> command_of(pid_t pid, const ProcStat& stat) {
  std::vector<std::string> out;
  const std::string text = read_or_empty(AT_FDCWD, proc_path(pid) + "/cmdline");
  for (std::string_view part : split(text, '\0')) out.emplace_back(part);
  while (!out.empty() && out.back().empty()) out.pop_back();
  if (out.empty()) out.push_back(stat.comm);
  return out;
}

Error refused(pid_t pid, const std::string& why, const std::string& hint = "") {
  return {"process " + std::to_string(pid) + " " + why, "", 0, hint, ExitCode::ours};
}

bool above_us(pid_t pid) {
  return std::ranges::any_of(lineage_of(::getpid()), [&](const ProcStat& stat) { return stat.pid == pid; });
}

/// Who lives in a cgroup and is not of the tree.
size_t strangers_in(const Hierarchy& hierarchy, const std::string& path, const std::vector<pid_t>& tree) {
  auto dir = open_cgroup(hierarchy, path);
  if (!dir) return 1;  // we cannot see: somebody may be there
  Leaf leaf;
  leaf.dirs.push_back(std::move(*dir));
  const auto members = leaf.processes();
  return static_cast<size_t>(
      std::ranges::count_if(members, [&](pid_t pid) { return std::ranges::find(tree, pid) == tree.end(); }));
}

/// The hierarchy whose path tells whose the process is: v2 (also systemd's on hybrid hosts), else
/// name=systemd.
const Hierarchy* telling(const Host& host) {
  if (const auto* v2 = host.unified()) return v2;
  const auto named = std::ranges::find_if(host.hierarchies, [](const Hierarchy& h) {
    return std::ranges::find(h.names, "name=systemd") != h.names.end();
  });
  return named == host.hierarchies.end() ? nullptr : &*named;
}

/// Its place, and who shares it. Without systemd each v1 hierarchy has a place of its own, and those of the
/// asked controllers count.
void find_place(const Host& host, const std::set<Controller>& controllers, Survey& out) {
  const Hierarchy* h = telling(host);
  const CgroupLine* line = h ? line_of(out.cgroups, *h) : nullptr;
  if (line) out.place = place_of(line->path);
  for (const auto& each : out.cgroups)
    if (Place place = place_of(each.path);
        place.kind == Place::Kind::ours || place.kind == Place::Kind::container) {
      out.place = std::move(place);
      return;
    }
  const bool named_unit = out.place.kind == Place::Kind::unit || out.place.kind == Place::Kind::session;
  if (host.systemd && named_unit) {
    out.strangers = strangers_in(*h, out.place.path, out.tree);
    return;
  }
  if (named_unit) out.place.kind = Place::Kind::plain;  // whoever named it so, no systemd did
  bool first = true;
  for (const Controller controller : controllers) {
    const Hierarchy* of = host.of(controller);
    const CgroupLine* at = of ? line_of(out.cgroups, *of) : nullptr;
    if (!at) continue;
    Place place = place_of(at->path);
    if (place.kind != Place::Kind::root) place.kind = Place::Kind::plain;
    const bool top = place.kind == Place::Kind::root;
    if (first || top) out.place = std::move(place);
    first = false;
    out.strangers += top ? 1 : strangers_in(*of, at->path, out.tree);
    if (top) return;  // one controller at the top is enough: nothing can be limited there
  }
  if (first && h && line) out.strangers = strangers_in(*h, out.place.path, out.tree);
}

bool is_main_process(const Survey& survey, const std::vector<pid_t>& tree) {
  if (!survey.place.unit.ends_with(".service")) return false;
  const auto told = unit_properties(survey.place.manager(), survey.place.unit, {"MainPID"});
  if (told)
    if (const Json& main = at_or_null(*told, "MainPID"); main.is_number_unsigned())
      return std::ranges::find(tree, static_cast<pid_t>(main.get<uint64_t>())) != tree.end();
  // Nobody answers: the manager's own child is taken for it.
  const auto parent = ProcessRef::open(survey.stat.ppid);
  if (!parent) return true;
  for (const auto& line : cgroups_of(*parent))
    if (line.path == survey.place.path) return false;
  return true;
}

/// Frozen and threaded cgroups are somebody's doing that a move or a limit would upset.
Status check_cgroups(const Host& host, pid_t pid, const std::vector<CgroupLine>& cgroups) {
  for (const auto& hierarchy : host.hierarchies) {
    const CgroupLine* line = line_of(cgroups, hierarchy);
    auto dir = line ? open_cgroup(hierarchy, line->path) : sys_error("", "", ENOENT);
    if (!dir) continue;
    if (hierarchy.dialect == Dialect::v2) {
      const std::string type = read_or_empty(dir->fd.get(), kCgroupType);
      if (trim(type) == "threaded")
        return std::unexpected(refused(pid, "stands in a threaded cgroup (" + line->path + ")",
                                       "somebody places its threads one by one; limit it there"));
    }
    Leaf leaf;
    leaf.dirs.push_back(std::move(*dir));
    if (is_frozen(leaf))
      return std::unexpected(refused(pid, "stands in a frozen cgroup (" + line->path + ")", "thaw it first"));
  }
  return {};
}

Result<ProcessRef> open_process(pid_t pid) {
  auto process = ProcessRef::open(pid);
  if (process) return process;
  const auto stat = stat_of(pid);
  if (process.error().errnum == ESRCH && stat && stat->zombie())
    return std::unexpected(refused(pid, "has ended already (a zombie, which its parent " +
                                            std::to_string(stat->ppid) + " has not waited for)"));
  // A thread's number is not a process (EINVAL, or ENOENT since 6.?).
  if (process.error().errnum != ESRCH && stat)
    return std::unexpected(refused(pid, "is a thread, not a process", "ps -eLo pid,tid tells whose"));
  return std::unexpected(refused(pid, "does not exist"));
}

}  // namespace

std::string container_sign(pid_t pid, const std::vector<CgroupLine>& cgroups) {
  for (const auto& line : cgroups)
    if (const Place place = place_of(line.path); place.kind == Place::Kind::container)
      return place.name + " (cgroup " + line.path + ")";
  for (const char* space : {"pid", "cgroup"}) {
    const std::string theirs = read_link(AT_FDCWD, proc_path(pid) + "/ns/" + space);
    const std::string ours = read_link(AT_FDCWD, std::string("/proc/self/ns/") + space);
    if (!theirs.empty() && !ours.empty() && theirs != ours)
      return "a container (it has a " + std::string(space) + " namespace of its own)";
  }
  return "";
}

std::vector<CgroupLine> cgroups_of(const ProcessRef& process) {
  for (const auto& thread : threads_of(process)) {
    const auto text = read_file(proc_path(process.pid()) + "/task/" + std::to_string(thread.tid) + "/cgroup");
    if (text && process.alive()) return parse_proc_cgroup(*text);
  }
  return {};
}

const CgroupLine* line_of(const std::vector<CgroupLine>& lines, const Hierarchy& hierarchy) {
  const auto found = std::ranges::find_if(lines, [&](const CgroupLine& line) {
    return hierarchy.dialect == Dialect::v2 ? line.controllers.empty() : line.controllers == hierarchy.names;
  });
  return found == lines.end() ? nullptr : &*found;
}

Skip skip_other_jobs(std::string own) {
  return [own = std::move(own)](pid_t pid) {
    const std::string text = read_or_empty(AT_FDCWD, proc_path(pid) + "/cgroup");
    for (const auto& line : parse_proc_cgroup(text))
      if (const Place place = place_of(line.path); place.kind == Place::Kind::ours) return place.name != own;
    return false;
  };
}

Result<Survey> survey(const Host& host, pid_t pid, const std::set<Controller>& controllers) {
  if (pid == 1) return std::unexpected(refused(pid, "is the host's first process", "it is not for adopting"));
  TRY(ProcessRef process, open_process(pid));
  Survey out{.process = std::move(process),
             .stat = {},
             .uid = 0,
             .user = {},
             .command = {},
             .workdir = {},
             .cgroups = {},
             .place = {},
             .tree = {},
             .container = {}};
  const auto stat = stat_of(pid);
  struct stat owner {};
  if (!stat || ::stat(proc_path(pid).c_str(), &owner) != 0)
    return std::unexpected(refused(pid, "ended while it was looked at"));
  out.stat = *stat;
  if (stat->kernel_thread()) return std::unexpected(refused(pid, "is a kernel thread (" + stat->comm + ")"));
  if (above_us(pid))
    return std::unexpected(
        refused(pid, pid == ::getpid() ? "is this very command" : "is one that this command runs below",
                "give the stream's own process"));
  // Not the owner of the folder, which is root where a process may not be dumped.
  out.uid = owner.st_uid;
  const std::string status = read_or_empty(AT_FDCWD, proc_path(pid) + "/status");
  for (std::string_view line : lines(status))
    if (const auto part = words(line); part.size() > 2 && part[0] == "Uid:")
      out.uid = static_cast<uid_t>(parse_u64(part[2]).value_or(owner.st_uid));
  out.user = user_name(out.uid);
  if (host.uid != 0 && out.uid != host.uid)
    return std::unexpected(
        refused(pid, "belongs to " + out.user,
                "changing it needs that user or root (CAP_SYS_NICE, and write access to its cgroup)"));
  out.command = command_of(pid, *stat);
  out.workdir = read_link(AT_FDCWD, proc_path(pid) + "/cwd");
  out.cgroups = cgroups_of(out.process);
  if (out.cgroups.empty() && !out.process.alive())
    return std::unexpected(refused(pid, "ended while it was looked at"));
  TRY_OK(check_cgroups(host, pid, out.cgroups));
  TRY(const auto tree, process_tree(out.process.identity(), skip_other_jobs()));
  for (const auto& each : tree) {
    out.tree.push_back(each.process.pid());
    out.threads += each.stat.threads;
    const std::string text = read_or_empty(AT_FDCWD, proc_path(each.process.pid()) + "/status");
    for (std::string_view line : lines(text))
      if (const auto part = words(line); part.size() == 3 && part[0] == "RssAnon:")
        out.memory_bytes += parse_u64(part[1]).value_or(0) * 1024;
  }
  for (const auto& thread : threads_of(out.process)) {
    const std::string text =
        read_or_empty(AT_FDCWD, proc_path(pid) + "/task/" + std::to_string(thread.tid) + "/cgroup");
    const auto lines_now = parse_proc_cgroup(text);
    for (size_t i = 0; i < lines_now.size() && i < out.cgroups.size(); i++)
      out.split_threads |= lines_now[i].path != out.cgroups[i].path;
  }
  find_place(host, controllers, out);
  out.container = container_sign(pid, out.cgroups);
  if (out.place.kind == Place::Kind::unit && out.strangers > 0)
    out.main_process = is_main_process(out, out.tree);
  return out;
}

}  // namespace ffrtmp
