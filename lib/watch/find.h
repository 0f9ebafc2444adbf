#pragma once

#include <string>
#include <vector>

#include "jobs/job_store.h"

namespace ffrtmp {

/// Which processes an operator means, when not by number. What is given has to be met, all of it.
struct Wanted {
  std::string name;  ///< a glob on the executable's file name (see glob_matches); "" for any
  std::string unit;  ///< of systemd, "x.service" or "x"; "" for any
};

/// Those that run now, the oldest first. Without what descends from another of them (it belongs to that one's
/// tree), ourselves and those above us, and what is ffrtmp's already. Errors: none is left; the hint says
/// why.
Result<std::vector<ProcessIdentity>> find_processes(const JobStore& store, const Wanted& wanted);

}  // namespace ffrtmp
