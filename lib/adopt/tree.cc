#include "adopt/tree.h"

#include <fcntl.h>

#include <algorithm>
#include <map>
#include <set>

#include "proc/processes.h"
#include "sys/file.h"
#include "sys/text.h"

namespace ffrtmp {

std::vector<ProcStat> lineage_of(pid_t pid) {
  constexpr size_t kDeepest = 4096;  // numbers change hands while we climb: no loop is for ever
  std::vector<ProcStat> out;
  for (pid_t at = pid; at > 1 && out.size() < kDeepest; at = out.back().ppid) {
    auto stat = stat_of(at);
    if (!stat) break;
    out.push_back(std::move(*stat));
  }
  return out;
}

std::vector<pid_t> tree_of(const std::vector<ProcStat>& table, pid_t root) {
  std::multimap<pid_t, const ProcStat*> children;
  for (const auto& stat : table) children.emplace(stat.ppid, &stat);
  std::vector<pid_t> out{root};
  std::set<pid_t> seen{root};
  const auto add = [&](pid_t pid) {
    if (pid > 1 && seen.insert(pid).second) out.push_back(pid);
  };
  const auto descend = [&](size_t from) {
    for (size_t i = from; i < out.size(); i++) {
      const auto [first, last] = children.equal_range(out[i]);
      for (auto child = first; child != last; ++child) add(child->second->pid);
    }
  };
  descend(0);
  const size_t before = out.size();
  for (const auto& stat : table)
    if (stat.ppid == 1 && (stat.session == root || stat.pgrp == root)) add(stat.pid);
  descend(before);
  return out;
}

Result<std::vector<TreeProcess>> process_tree(const ProcessIdentity& root, const Skip& skip) {
  const auto table = process_table();
  std::map<pid_t, const ProcStat*> seen;
  for (const auto& stat : table) seen[stat.pid] = &stat;
  std::vector<TreeProcess> out;
  TRY(ProcessRef first, ProcessRef::open(root));
  TRY(const std::string text, read_file("/proc/" + std::to_string(root.pid) + "/stat"));
  out.push_back({std::move(first), parse_stat(text).value_or(ProcStat{})});
  std::set<pid_t> left_out;
  for (const pid_t pid : tree_of(table, root.pid)) {
    if (pid == root.pid || !seen.contains(pid)) continue;
    // The very process of the table, or none: its number may have changed hands since.
    auto process = ProcessRef::open(ProcessIdentity{pid, seen[pid]->start_ticks, boot_id()});
    if (!process) continue;
    if (left_out.contains(seen[pid]->ppid) || (skip && skip(pid))) {
      left_out.insert(pid);
      continue;
    }
    out.push_back({std::move(*process), *seen[pid]});
  }
  return out;
}

}  // namespace ffrtmp
