#include "adopt/restore.h"

#include <fcntl.h>

#include <algorithm>
#include <map>
#include <set>

#include "adopt/memory.h"
#include "adopt/move.h"
#include "adopt/present.h"
#include "adopt/survey.h"
#include "adopt/unit_limits.h"
#include "cgroup/kernel_files.h"
#include "cgroup/scope_keeper.h"
#include "sys/file.h"
#include "sys/text.h"

namespace ffrtmp {

namespace {

constexpr int kMostPasses = 50;

std::string oom_file(pid_t pid) { return "/proc/" + std::to_string(pid) + "/oom_score_adj"; }

template <class T>
std::vector<const T*> all(const std::vector<Step>& steps, size_t first) {
  std::vector<const T*> out;
  for (size_t i = first; i < steps.size(); i++)
    if (const auto* step = std::get_if<T>(&steps[i])) out.push_back(step);
  return out;
}

/// The process with which it all began: the first that any step names.
std::optional<ProcessIdentity> root_of(const std::vector<Step>& steps) {
  for (const auto& step : steps) {
    if (const auto* move = std::get_if<MoveStep>(&step); move && !move->moves.empty())
      return move->moves[0].process;
    if (const auto* threads = std::get_if<ThreadStep>(&step)) return threads->process;
    if (const auto* oom = std::get_if<OomStep>(&step)) return oom->process;
  }
  return std::nullopt;
}

/// Every process that is concerned now: the tree, who stands in a leaf of ours, and who a step names.
std::vector<ProcessRef> concerned(const Host& host, const std::vector<Step>& steps) {
  std::map<pid_t, ProcessRef> found;
  const auto add = [&](Result<ProcessRef> process) {
    if (process) found.emplace(process->pid(), std::move(*process));
  };
  std::string job;
  for (const auto* leaf : all<LeafStep>(steps, 0)) job = leaf->name;
  if (const auto root = root_of(steps))
    if (auto tree = process_tree(*root, skip_other_jobs(job)))
      for (auto& each : *tree) add(std::move(each.process));
  for (const auto* leaf : all<LeafStep>(steps, 0))
    for (const auto& place : leaf->places)
      if (auto dir = find_dir(host, place)) {
        Leaf one;
        one.dirs.push_back(std::move(*dir));
        for (const pid_t pid : one.processes()) add(ProcessRef::open(pid));
      }
  for (const auto* step : all<MoveStep>(steps, 0))
    for (const auto& move : step->moves) add(ProcessRef::open(move.process));
  for (const auto* step : all<ThreadStep>(steps, 0)) add(ProcessRef::open(step->process));
  for (const auto* step : all<OomStep>(steps, 0)) add(ProcessRef::open(step->process));
  std::vector<ProcessRef> out;
  for (auto& [pid, process] : found) out.push_back(std::move(process));
  return out;
}

bool within(const std::string& path, const std::string& above) {
  return path == above || path.starts_with(above + "/");
}

/// Where a process stands in the hierarchy mounted there; "" when it is gone.
std::string path_of(const Host& host, const ProcessRef& process, const std::string& mount_point) {
  const auto lines = cgroups_of(process);
  for (const auto& hierarchy : host.hierarchies)
    if (hierarchy.mount_point == mount_point)
      if (const CgroupLine* line = line_of(lines, hierarchy)) return line->path;
  return "";
}

std::string count_of(size_t count, const char* one, const char* many) {
  return std::to_string(count) + " " + (count == 1 ? one : many);
}

// --- settings of threads and processes ---

/// What a setting was before any of the steps, and what we made of it.
struct Origins {
  std::map<ThreadRef, std::string> before;
  std::set<std::string> ours;
  std::string otherwise;  ///< for threads that were started since: what the first one had
  std::vector<ThreadStep> kept;
};

Origins origins(const std::vector<Step>& steps, size_t first, ThreadSetting setting) {
  Origins out;
  for (const auto* step : all<ThreadStep>(steps, first)) {
    if (step->setting != setting) continue;
    if (step->after.empty()) {
      out.kept.push_back(*step);
      continue;
    }
    out.ours.insert(step->after);
    for (const auto& [thread, before] : step->threads) {
      if (out.otherwise.empty()) out.otherwise = before;
      out.before.emplace(thread, before);
    }
  }
  return out;
}

void restore_threads(const Host& host, const std::vector<Step>& steps, size_t first, ThreadSetting setting,
                     RestoreReport& report) {
  const Origins from = origins(steps, first, setting);
  if (from.ours.empty()) return;
  std::set<ThreadRef> restored, refused;
  std::string why;
  for (int pass = 0; pass < kMostPasses; pass++) {
    bool changed = false;
    for (const auto& process : concerned(host, steps))
      for (const auto& thread : threads_of(process)) {
        const auto now = read_thread(setting, thread.tid);
        const auto known = from.before.find(thread);
        if (!now || refused.contains(thread) || (known == from.before.end() && !from.ours.contains(*now)))
          continue;
        const std::string& wanted = known == from.before.end() ? from.otherwise : known->second;
        if (*now == wanted || restored.contains(thread)) continue;
        const auto set = write_thread(setting, thread.tid, wanted);
        if (set || set.error().errnum == ESRCH) {
          changed |= restored.insert(thread).second;
        } else {
          refused.insert(thread);
          why = strerrordesc_np(set.error().errnum);
          if (setting == ThreadSetting::nice) why += " (only root, or CAP_SYS_NICE, may lower a nice value)";
        }
      }
    if (!changed) break;
  }
  const std::string name(thread_setting_name(setting));
  if (!restored.empty())
    report.restored.push_back(name + " of " + count_of(restored.size(), "thread", "threads") + " to " +
                              from.otherwise);
  if (!refused.empty())
    report.left.push_back(name + " of " + count_of(refused.size(), "thread", "threads") +
                          " cannot go back to " + from.otherwise + ": " + why);
}

void restore_oom(const Host& host, const std::vector<Step>& steps, size_t first, RestoreReport& report) {
  const auto own = all<OomStep>(steps, first);
  if (own.empty()) return;
  std::map<ProcessIdentity, int, decltype([](const auto& a, const auto& b) { return a.pid < b.pid; })> before;
  std::set<int> ours;
  for (const auto* step : own) before.emplace(step->process, step->before), ours.insert(step->after);
  size_t done = 0;
  for (const auto& process : concerned(host, steps)) {
    const auto now = parse_i64(trim(read_or_empty(AT_FDCWD, oom_file(process.pid()))));
    const auto known = before.find(process.identity());
    const bool named = known != before.end() && known->first == process.identity();
    if (!now || (!named && !ours.contains(static_cast<int>(*now)))) continue;
    const int wanted = named ? known->second : own.front()->before;
    if (*now == wanted) continue;
    const auto written = write_control(AT_FDCWD, oom_file(process.pid()), std::to_string(wanted));
    if (written)
      done++;
    else if (process.alive())
      report.left.push_back("oom_score_adj of process " + std::to_string(process.pid()) +
                            " cannot go back to " + std::to_string(wanted) + ": " +
                            written.error().message());
  }
  if (done > 0) report.restored.push_back("oom_score_adj of " + count_of(done, "process", "processes"));
}

// --- cgroups ---

/// A maximum goes back only above what is in use: putting it back must not kill either.
Status room_for(const CgroupDir& dir, const ControlText& text) {
  const bool maximum = text.file == kMemoryMax || text.file == kV1MemoryLimit;
  const auto bytes = maximum ? parse_u64(text.text) : std::nullopt;
  if (!bytes) return {};
  const WriteMemory write = [&](LimitKind, Bytes high) {
    return write_control(dir.fd.get(), kMemoryHigh,
                         high.count == UINT64_MAX ? "max" : std::to_string(high.count));
  };
  return make_room(dir, Bytes{*bytes}, write);
}

/// `fleeting`: a cgroup that goes next, so that what becomes of its limits is no news.
void restore_control(const Host& host, const ControlStep& step, bool force, bool fleeting,
                     RestoreReport& report) {
  const auto dir = find_dir(host, step.place);
  if (!dir) return;  // gone, and its limits with it
  for (auto text = step.before.rbegin(); text != step.before.rend(); ++text) {
    const auto now = present_text(dir->fd.get(), *text);
    if (!now || *now == text->text) continue;
    const std::string what = text->file + " of " + step.place.path;
    const auto room = force ? Status{} : room_for(*dir, *text);
    const auto written = room ? write_control(dir->fd.get(), text->file, text->text) : room;
    // With the last process gone from a scope, systemd takes it away under us, limits and all.
    if (!written && !find_dir(host, step.place)) return;
    if (written && !fleeting) report.restored.push_back(what + " to " + std::string(trim(text->text)));
    if (!written) report.left.push_back(what + " stays at " + *now + ": " + written.error().message());
  }
}

void restore_unit(const UnitStep& step, RestoreReport& report) {
  const auto undone = set_unit_properties(step.manager, step.unit, undo_properties(step.before));
  std::string names;
  for (const auto& item : step.before) names += (names.empty() ? "" : ", ") + item[0].get<std::string>();
  if (undone)
    report.restored.push_back(names + " of " + step.unit);
  else
    report.left.push_back(names + " of " + step.unit + ": " + undone.error().message());
}

/// Puts a process back into a cgroup that is not ours. systemd is asked first where the place is its own. It
/// takes processes only into delegated units, though; so to one of its units that we took a process from, it
/// is given back by the kernel's own file: the only thing that we ever write outside of what was delegated.
Status move_back(const Host& host, const std::string& mount_point, const std::string& from,
                 const ProcessRef& process) {
  const auto dir = find_dir(host, {mount_point, from, 0});
  if (!dir) return bad_input("cgroup " + from + " is gone", "");
  const Place place = place_of(from);
  if (host.systemd && dir->hierarchy.dialect == Dialect::v2 && !place.unit.empty()) {
    const auto asked =
        attach_to_unit(place.manager(), place.unit, place.below.empty() ? "/" : place.below, process.pid());
    if (asked && path_of(host, process, mount_point) == from) return {};
  }
  return write_control(dir->fd.get(), kCgroupProcs, std::to_string(process.pid()));
}

void restore_moves(const Host& host, const std::vector<Step>& steps, size_t first, RestoreReport& report) {
  const auto moves = all<MoveStep>(steps, first);
  std::map<std::string, std::string> to, otherwise;  // by mount point
  std::map<std::string, std::map<pid_t, MoveStep::Move>> known;
  for (const auto* step : moves)
    for (const auto& move : step->moves) {
      to.emplace(move.mount_point, move.to);
      otherwise.emplace(move.mount_point, move.from);
      known[move.mount_point].emplace(move.process.pid, move);
    }
  std::map<std::string, size_t> done;
  std::set<std::string> failed;
  for (int pass = 0; pass < kMostPasses; pass++) {
    bool changed = false;
    for (const auto& process : concerned(host, steps))
      for (const auto& [mount_point, leaf] : to) {
        const std::string now = path_of(host, process, mount_point);
        if (now.empty() || !within(now, leaf)) continue;
        const auto own = known[mount_point].find(process.pid());
        const bool named = own != known[mount_point].end() && own->second.process == process.identity();
        const std::string& from = named ? own->second.from : otherwise[mount_point];
        const auto moved = move_back(host, mount_point, from, process);
        if (moved && path_of(host, process, mount_point) == from)
          done[from]++, changed = true;
        else if (process.alive())
          failed.insert("process " + std::to_string(process.pid()) + " stays in " + now + " instead of " +
                        from + (moved ? "" : ": " + moved.error().message()));
      }
    if (!changed) break;
    failed.clear();
  }
  for (const auto& [from, count] : done) report.restored.push_back("moved back to " + from);
  report.left.insert(report.left.end(), failed.begin(), failed.end());
}

void restore_leaf(const Host& host, const LeafStep& step, RestoreReport& report) {
  for (const auto& place : step.places) {
    auto dir = place.path.ends_with("/" + step.name) ? find_dir(host, place) : std::nullopt;
    if (!dir) continue;
    Leaf leaf;
    leaf.name = step.name;
    leaf.dirs.push_back(std::move(*dir));
    if (const auto removed = leaf.remove(); !removed)
      report.left.push_back("cgroup " + place.path + " stays: " + removed.error().message());
  }
}

}  // namespace

std::vector<Conflict> conflicts(const Host& host, const std::vector<Step>& steps, size_t first) {
  std::vector<Conflict> out;
  std::set<std::string> judged;  // the last step about a thing is the one to compare with
  for (size_t i = steps.size(); i-- > first;) {
    if (const auto* step = std::get_if<ControlStep>(&steps[i])) {
      const auto dir = step->after ? find_dir(host, step->place) : std::nullopt;
      for (size_t k = 0; dir && k < step->after->size() && k < step->before.size(); k++) {
        const auto& ours = (*step->after)[k];
        if (!judged.insert(step->place.mount_point + step->place.path + ours.file + disk_of(ours.text))
                 .second)
          continue;
        const auto now = present_text(dir->fd.get(), ours);
        if (now && *now != ours.text && *now != step->before[k].text)
          out.push_back({ours.file + " of " + step->place.path, *now, ours.text, step->before[k].text});
      }
    } else if (const auto* unit = std::get_if<UnitStep>(&steps[i])) {
      for (size_t k = 0; k < unit->after.size(); k++) {
        const std::string name = unit->after[k][0].get<std::string>();
        if (!judged.insert(unit->unit + name).second) continue;
        const auto told = unit_properties(unit->manager, unit->unit, {name});
        const Json before = k < unit->before.size() ? unit->before[k][1] : Json();
        if (told && at_or_null(*told, name) != unit->after[k][1] && at_or_null(*told, name) != before)
          out.push_back({name + " of " + unit->unit, dump_json(at_or_null(*told, name)),
                         dump_json(unit->after[k][1]), dump_json(before)});
      }
    } else if (const auto* threads = std::get_if<ThreadStep>(&steps[i])) {
      const auto process =
          threads->after.empty() ? sys_error("", "", ESRCH) : ProcessRef::open(threads->process);
      const std::string name(thread_setting_name(threads->setting));
      const auto list = process ? threads_of(*process) : std::vector<ThreadRef>{};
      const std::set<ThreadRef> living(list.begin(), list.end());
      for (const auto& [thread, before] : threads->threads) {
        if (!living.contains(thread) || !judged.insert(name + std::to_string(thread.tid)).second) continue;
        const auto now = read_thread(threads->setting, thread.tid);
        if (now && *now != threads->after && *now != before)
          out.push_back({name + " of thread " + std::to_string(thread.tid), *now, threads->after, before});
      }
    } else if (const auto* oom = std::get_if<OomStep>(&steps[i])) {
      const auto process = ProcessRef::open(oom->process);
      if (!process || !judged.insert("oom" + std::to_string(oom->process.pid)).second) continue;
      const auto now = parse_i64(trim(read_or_empty(AT_FDCWD, oom_file(oom->process.pid))));
      if (now && *now != oom->after && *now != oom->before)
        out.push_back({"oom_score_adj of process " + std::to_string(oom->process.pid), std::to_string(*now),
                       std::to_string(oom->after), std::to_string(oom->before)});
    } else if (const auto* step_moves = std::get_if<MoveStep>(&steps[i])) {
      for (const auto& move : step_moves->moves) {
        const auto process = ProcessRef::open(move.process);
        if (!process || !judged.insert(move.mount_point + std::to_string(move.process.pid)).second) continue;
        const std::string now = path_of(host, *process, move.mount_point);
        if (!now.empty() && !within(now, move.to) && now != move.from)
          out.push_back(
              {"the cgroup of process " + std::to_string(move.process.pid), now, move.to, move.from});
      }
    }
  }
  return out;
}

RestoreReport restore(const Host& host, const std::vector<Step>& steps, bool force, size_t first) {
  RestoreReport report;
  restore_threads(host, steps, first, ThreadSetting::nice, report);
  restore_threads(host, steps, first, ThreadSetting::affinity, report);
  restore_threads(host, steps, first, ThreadSetting::ionice, report);
  restore_oom(host, steps, first, report);
  std::set<std::string> made;
  for (const auto* leaf : all<LeafStep>(steps, first))
    for (const auto& place : leaf->places) made.insert(place.path);
  bool moved = false;
  for (size_t i = steps.size(); i-- > first;) {
    if (const auto* control = std::get_if<ControlStep>(&steps[i]))
      restore_control(host, *control, force, made.contains(control->place.path), report);
    if (const auto* unit = std::get_if<UnitStep>(&steps[i])) restore_unit(*unit, report);
    if (const auto* leaf = std::get_if<LeafStep>(&steps[i])) restore_leaf(host, *leaf, report);
    // All at once with the last: whoever was started since stands where the last moves went.
    if (std::holds_alternative<MoveStep>(steps[i]) && !std::exchange(moved, true))
      restore_moves(host, steps, first, report);
  }
  // A move into another cpuset resets affinities: what was kept against the first one serves here too.
  const Origins cpus = origins(steps, first, ThreadSetting::affinity);
  std::set<ThreadRef> seen;
  for (const auto& kept : cpus.kept) {
    ThreadStep once = kept;
    // What was set to stay, or what came later, is not undone twice.
    std::erase_if(once.threads, [&](const auto& thread) { return !seen.insert(thread.thread).second; });
    keep_affinity(once);
  }
  return report;
}

}  // namespace ffrtmp
