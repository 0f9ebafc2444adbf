#include "watch/look.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include <algorithm>

#include "adopt/place.h"
#include "adopt/survey.h"
#include "proc/processes.h"
#include "sys/file.h"
#include "sys/text.h"

namespace ffrtmp {

namespace {

constexpr std::string_view kOurs[] = {"ffrtmp", "ffrtmp-agent"};

uid_t uid_of(pid_t pid) {
  // Not the owner of the folder, which is root where a process may not be dumped.
  const std::string status = read_or_empty(AT_FDCWD, proc_path(pid) + "/status");
  for (const auto line : lines(status))
    if (const auto part = words(line); part.size() > 2 && part[0] == "Uid:")
      return static_cast<uid_t>(parse_u64(part[2]).value_or(UINT32_MAX));
  return UINT32_MAX;
}

std::string command_of(pid_t pid) {
  std::string out = read_or_empty(AT_FDCWD, proc_path(pid) + "/cmdline");
  while (!out.empty() && out.back() == '\0') out.pop_back();
  std::ranges::replace(out, '\0', ' ');
  return out;
}

}  // namespace

std::string executable_of(pid_t pid) { return executable_name(read_link(AT_FDCWD, proc_path(pid) + "/exe")); }

Candidate look_at(const std::vector<ProcStat>& lineage) {
  Candidate out;
  if (lineage.empty()) return out;
  out.pid = lineage.front().pid;
  out.start_ticks = lineage.front().start_ticks;
  out.executable = executable_of(out.pid);
  out.uid = uid_of(out.pid);
  for (size_t i = 1; i < lineage.size(); i++) {
    out.above.push_back(lineage[i].comm);
    if (auto name = executable_of(lineage[i].pid); !name.empty() && name != lineage[i].comm)
      out.above.push_back(std::move(name));
  }
  const auto cgroups = parse_proc_cgroup(read_or_empty(AT_FDCWD, proc_path(out.pid) + "/cgroup"));
  for (const auto& line : cgroups)
    if (std::ranges::find(out.cgroups, line.path) == out.cgroups.end()) out.cgroups.push_back(line.path);
  out.directory = read_link(AT_FDCWD, proc_path(out.pid) + "/cwd");
  out.command = command_of(out.pid);
  const auto ticks = static_cast<uint64_t>(::sysconf(_SC_CLK_TCK));
  out.age = since_boot() - Duration(static_cast<int64_t>(out.start_ticks / ticks * 1'000'000'000 +
                                                         out.start_ticks % ticks * (1'000'000'000 / ticks)));
  out.container = !container_sign(out.pid, cgroups).empty();
  return out;
}

bool belongs_to_ffrtmp(const std::vector<ProcStat>& lineage, const Candidate& candidate) {
  if (std::ranges::any_of(candidate.cgroups,
                          [](const std::string& path) { return place_of(path).kind == Place::Kind::ours; }))
    return true;
  // A process above it may call itself what it likes; its executable counts, where we may see it.
  return std::any_of(lineage.begin() + 1, lineage.end(), [](const ProcStat& stat) {
    const std::string name = executable_of(stat.pid);
    return std::ranges::find(kOurs, name.empty() ? stat.comm : name) != std::end(kOurs);
  });
}

Duration since_boot() {
  timespec now{};
  ::clock_gettime(CLOCK_BOOTTIME, &now);
  return std::chrono::seconds(now.tv_sec) + Duration(now.tv_nsec);
}

}  // namespace ffrtmp
