#include "adopt/move.h"

#include <fcntl.h>

#include <set>

#include "cgroup/kernel_files.h"
#include "proc/cpu_set.h"
#include "proc/processes.h"
#include "sys/file.h"
#include "sys/text.h"

namespace ffrtmp {

namespace {

constexpr int kMostPasses = 200;

const CgroupLine* line_in(const std::vector<CgroupLine>& lines, const CgroupDir& dir) {
  return line_of(lines, dir.hierarchy);
}

bool inside(const CgroupLine& line, const CgroupDir& dir) {
  return line.path == dir.path || line.path.starts_with(dir.path + "/");
}

/// The kernel takes a number. Should the process have ended before it did, and its number gone to a stranger
/// in those microseconds, then the stranger is put where it was born: in its parent's cgroup.
void send_stranger_home(const CgroupDir& dir, pid_t pid) {
  const auto stranger = ProcessRef::open(pid);
  if (!stranger) return;
  const auto lines = cgroups_of(*stranger);
  const CgroupLine* at = line_in(lines, dir);
  const auto stat = stat_of(pid);
  const auto parent = stat ? ProcessRef::open(stat->ppid) : sys_error("", "", ESRCH);
  if (!at || !inside(*at, dir) || !parent) return;
  const auto above = cgroups_of(*parent);
  const CgroupLine* home = line_in(above, dir);
  if (!home || inside(*home, dir)) return;  // born here after all
  if (const auto there = open_cgroup(dir.hierarchy, home->path); there && stranger->alive())
    (void)write_control(there->fd.get(), kCgroupProcs, std::to_string(pid));
}

/// What each thread's affinity is now, to be kept over the move.
ThreadStep affinities(const ProcessRef& process) {
  ThreadStep out{process.identity(), ThreadSetting::affinity, {}, ""};
  for (const auto& thread : threads_of(process))
    if (auto now = read_thread(ThreadSetting::affinity, thread.tid))
      out.threads.push_back({thread, std::move(*now)});
  return out;
}

}  // namespace

void keep_affinity(const ThreadStep& kept) {
  const auto process = ProcessRef::open(kept.process);
  if (!process) return;
  const auto list = threads_of(*process);
  const std::set<ThreadRef> living(list.begin(), list.end());
  for (const auto& [thread, before] : kept.threads) {
    if (!living.contains(thread)) continue;
    const auto now = read_thread(ThreadSetting::affinity, thread.tid);
    // Refused where the new place has none of those CPUs: then the place decides.
    if (now && *now != before) (void)write_thread(ThreadSetting::affinity, thread.tid, before);
  }
}

bool stands_in(const ProcessRef& process, const Leaf& leaf) {
  for (const auto& thread : threads_of(process)) {
    const std::string text = read_or_empty(AT_FDCWD, "/proc/" + std::to_string(process.pid()) + "/task/" +
                                                         std::to_string(thread.tid) + "/cgroup");
    const auto lines = parse_proc_cgroup(text);
    for (const auto& dir : leaf.dirs) {
      const CgroupLine* line = line_in(lines, dir);
      if (line && !inside(*line, dir)) return false;
    }
  }
  return true;
}

Status move_tree(const Host& host, const ProcessIdentity& root, const std::string& job, const Base& base,
                 const Leaf& leaf, Journal& journal) {
  const bool resets_affinity = leaf.of(Controller::cpuset) != nullptr;
  for (int pass = 0; pass < kMostPasses; pass++) {
    TRY(const auto tree, process_tree(root, skip_other_jobs(job)));
    MoveStep step;
    std::vector<const ProcessRef*> outside;
    for (const auto& each : tree) {
      if (stands_in(each.process, leaf)) continue;
      const auto lines = cgroups_of(each.process);
      for (const auto& dir : leaf.dirs)
        if (const CgroupLine* line = line_in(lines, dir); line && !inside(*line, dir))
          step.moves.push_back({each.process.identity(), dir.hierarchy.mount_point, line->path, dir.path});
      outside.push_back(&each.process);
    }
    if (step.moves.empty()) return {};
    std::vector<ThreadStep> kept;
    if (resets_affinity)
      for (const auto* process : outside) {
        kept.push_back(affinities(*process));
        TRY_OK(journal.add(kept.back()));
      }
    TRY_OK(journal.add(step));
    for (const auto* process : outside)
      for (const auto& dir : leaf.dirs) {
        if (!process->alive()) continue;
        const auto moved = move_into(host, base, leaf, dir, process->pid());
        if (!process->alive()) {
          send_stranger_home(dir, process->pid());
          continue;
        }
        if (!moved && moved.error().errnum != ESRCH) {  // ESRCH: it is on its way out
          Error error = moved.error();
          error.step =
              "moving process " + std::to_string(process->pid()) + " into " + dir.path + ": " + error.step;
          if (error.errnum == EACCES || error.errnum == EPERM)
            error.hint =
                "that takes write access to the cgroup above both its old and its new place, or root";
          return std::unexpected(error);
        }
      }
    for (const auto& each : kept) keep_affinity(each);
  }
  return bad_input(
      "the process does not stay where it was moved to, or starts new ones faster than they can be moved:",
      std::to_string(root.pid));
}

}  // namespace ffrtmp
