#include "proc/family.h"

#include "proc/processes.h"

namespace ffrtmp {

std::vector<pid_t> family_of(pid_t leader) {
  std::vector<pid_t> out;
  for (const auto& stat : process_table())
    if (!stat.zombie() && (stat.session == leader || stat.pgrp == leader)) out.push_back(stat.pid);
  return out;
}

}  // namespace ffrtmp
