#include "adopt/held.h"

#include <algorithm>
#include <set>

#include "cgroup/kernel_files.h"
#include "sys/file.h"
#include "sys/text.h"

namespace ffrtmp {

namespace {

/// The disks that have a line in a file of this cgroup or one above it.
std::set<std::pair<unsigned, unsigned>> disks_in(const CgroupDir& dir,
                                                 const std::vector<const char*>& files) {
  std::set<std::pair<unsigned, unsigned>> out;
  std::string prefix;
  for (int level = 0; level <= dir.depth(); level++, prefix += "../")
    for (const char* file : files) {
      const std::string text = read_or_empty(dir.fd.get(), prefix + file);
      for (std::string_view line : lines(text)) {
        const auto part = words(line);
        const auto number = part.empty() ? std::vector<std::string_view>{} : split(part[0], ':');
        const auto major = number.size() == 2 ? parse_u64(number[0]) : std::nullopt;
        const auto minor = number.size() == 2 ? parse_u64(number[1]) : std::nullopt;
        if (major && minor) out.emplace(static_cast<unsigned>(*major), static_cast<unsigned>(*minor));
      }
    }
  return out;
}

std::vector<Limit> questions(const CgroupDir& dir) {
  std::vector<Limit> out;
  const auto ask = [&](LimitKind kind, LimitValue like) {
    if (dir.hierarchy.has(*controller_of(kind))) out.push_back({kind, std::move(like), ""});
  };
  ask(LimitKind::cpu_max, CpuMax{});
  ask(LimitKind::cpuset, CpuList{});
  ask(LimitKind::swap_max, Bytes{});
  ask(LimitKind::memory_high, Bytes{});
  ask(LimitKind::memory_max, Bytes{});
  ask(LimitKind::pids_max, Count{});
  const bool v2 = dir.hierarchy.dialect == Dialect::v2;
  const std::vector<const char*> files =
      v2 ? std::vector<const char*>{kIoMax}
         : std::vector<const char*>{"blkio.throttle.read_bps_device", "blkio.throttle.write_bps_device",
                                    "blkio.throttle.read_iops_device", "blkio.throttle.write_iops_device"};
  if (dir.hierarchy.has(Controller::io))
    for (const auto& [major, minor] : disks_in(dir, files)) {
      IoMax like;
      like.device = {major, minor};
      ask(LimitKind::io_max, like);
    }
  return out;
}

std::optional<LimitValue> effective(const CgroupDir& dir, const Limit& like) {
  const auto value = effective_limit(knobs(dir.hierarchy.dialect), dir.fd.get(), dir.depth(), like);
  return value ? *value : std::nullopt;
}

}  // namespace

std::vector<Limit> held_limits(const Host& host, const std::vector<CgroupLine>& cgroups) {
  std::vector<Limit> out;
  for (const auto& hierarchy : host.hierarchies) {
    const CgroupLine* line = line_of(cgroups, hierarchy);
    const auto dir = line ? open_cgroup(hierarchy, line->path) : sys_error("", "", ENOENT);
    if (!dir) continue;
    const auto top = open_cgroup(hierarchy, hierarchy.mount_root);
    for (auto& question : questions(*dir)) {
      auto value = effective(*dir, question);
      if (!value) continue;
      // The CPUs of the whole host are no limit.
      if (question.kind == LimitKind::cpuset && top && effective(*top, question) == value) continue;
      question.value = std::move(*value);
      question.origin = "held by " + line->path;
      out.push_back(std::move(question));
    }
  }
  std::ranges::stable_sort(out, {}, &Limit::kind);
  return out;
}

bool holds(const Leaf& leaf, const Limit& limit) {
  const CgroupDir* dir = leaf.of(*controller_of(limit.kind));
  // Of a v1 hierarchy that has no folder for this job the process is not moved out: its old place holds it
  // on.
  if (!dir) return true;
  const auto now = effective(*dir, limit);
  return now && tighter(now, limit.value) == now;
}

}  // namespace ffrtmp
