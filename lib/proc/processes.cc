#include "proc/processes.h"

#include <fcntl.h>

#include "sys/file.h"
#include "sys/text.h"

namespace ffrtmp {

std::string proc_path(pid_t pid) { return "/proc/" + std::to_string(pid); }

std::optional<ProcStat> stat_of(pid_t pid) {
  return parse_stat(read_or_empty(AT_FDCWD, proc_path(pid) + "/stat"));
}

std::vector<pid_t> all_processes() {
  std::vector<pid_t> out;
  const auto proc = open_dir(AT_FDCWD, "/proc");
  if (!proc) return out;
  for (const auto& name : folders_in(proc->get()))
    if (const auto pid = parse_u64(name); pid && *pid <= INT32_MAX) out.push_back(static_cast<pid_t>(*pid));
  return out;
}

std::vector<ProcStat> process_table() {
  std::vector<ProcStat> out;
  for (const pid_t pid : all_processes())
    if (auto stat = stat_of(pid)) out.push_back(std::move(*stat));
  return out;
}

}  // namespace ffrtmp
