#include "watch/find.h"

#include <unistd.h>

#include <algorithm>
#include <set>

#include "adopt/place.h"
#include "adopt/tree.h"
#include "jobs/adoption.h"
#include "proc/processes.h"
#include "watch/look.h"
#include "watch/match.h"

namespace ffrtmp {

namespace {

bool in_unit(const Candidate& candidate, const std::string& unit) {
  return std::ranges::any_of(candidate.cgroups, [&](const std::string& path) {
    const std::string own = place_of(path).unit;
    return own == unit || own == unit + ".service";
  });
}

std::string words_for(const Wanted& wanted) {
  std::string out;
  if (!wanted.name.empty()) out += "an executable named " + wanted.name;
  if (!wanted.unit.empty()) out += (out.empty() ? "unit " : " in unit ") + wanted.unit;
  return out;
}

}  // namespace

Result<std::vector<ProcessIdentity>> find_processes(const JobStore& store, const Wanted& wanted) {
  std::set<pid_t> above_us;
  for (const auto& stat : lineage_of(::getpid())) above_us.insert(stat.pid);
  std::vector<std::vector<ProcStat>> found;
  std::string taken;
  for (const pid_t pid : all_processes()) {
    const std::string executable = executable_of(pid);
    if (executable.empty() || above_us.contains(pid)) continue;
    if (!wanted.name.empty() && !glob_matches(wanted.name, executable)) continue;
    auto lineage = lineage_of(pid);
    if (lineage.empty() || lineage.front().kernel_thread() || lineage.front().exiting()) continue;
    const Candidate candidate = look_at(lineage);
    if (!wanted.unit.empty() && !in_unit(candidate, wanted.unit)) continue;
    const auto job = job_of(store, lineage);
    if (job || belongs_to_ffrtmp(lineage, candidate)) {
      if (taken.empty())
        taken = "process " + std::to_string(pid) + " is " + (job ? "job " + *job : "ffrtmp's") + " already";
      continue;
    }
    found.push_back(std::move(lineage));
  }
  if (found.empty())
    return bad_input("no process to attach:", words_for(wanted),
                     !taken.empty() ? taken : "ps -e shows what runs; other users' are seen by root only");
  const auto meant = [&](const ProcStat& stat) {
    return std::ranges::any_of(found, [&](const auto& each) { return each.front().pid == stat.pid; });
  };
  std::vector<ProcStat> tops;
  for (const auto& lineage : found)
    if (std::none_of(lineage.begin() + 1, lineage.end(), meant)) tops.push_back(lineage.front());
  std::ranges::sort(tops, {}, [](const ProcStat& stat) { return std::pair(stat.start_ticks, stat.pid); });
  std::vector<ProcessIdentity> out;
  for (const auto& stat : tops) out.push_back({stat.pid, stat.start_ticks, boot_id()});
  return out;
}

}  // namespace ffrtmp
