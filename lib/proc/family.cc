#include "proc/family.h"

#include <fcntl.h>

#include "proc/procfs.h"
#include "sys/file.h"
#include "sys/text.h"

namespace ffrtmp {

std::vector<pid_t> family_of(pid_t leader) {
  std::vector<pid_t> out;
  const auto proc = open_dir(AT_FDCWD, "/proc");
  if (!proc) return out;
  for (const auto& name : folders_in(proc->get())) {
    if (!parse_u64(name)) continue;
    const auto stat = parse_stat(read_or_empty(proc->get(), name + "/stat"));
    const bool gone = !stat || stat->state == 'Z' || stat->state == 'X';
    if (!gone && (stat->session == leader || stat->pgrp == leader)) out.push_back(stat->pid);
  }
  return out;
}

}  // namespace ffrtmp
