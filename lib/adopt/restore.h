#pragma once

#include <string>
#include <vector>

#include "adopt/journal.h"
#include "cgroup/host.h"

namespace ffrtmp {

/// Something that is neither as we left it nor as it was before: somebody else has changed it meanwhile.
struct Conflict {
  std::string what;    ///< "memory.max of /a/b", "nice of thread 12"
  std::string now;     ///< what it is
  std::string ours;    ///< what we had made of it
  std::string before;  ///< what it was
};

struct RestoreReport {
  std::vector<std::string> restored;  ///< what was put back, a phrase each
  std::vector<std::string> left;      ///< what could not be, with the reason
};

/// What of the steps from `first` on others have changed meanwhile; reads only.
std::vector<Conflict> conflicts(const Host& host, const std::vector<Step>& steps, size_t first = 0);

/// Replays the steps from `first` on backwards: settings of threads and processes (also of those that were
/// started since), control files and unit properties, the moves, the leaf. Whatever cannot be put back is
/// told and does not keep the rest from being. Idempotent: a replay that was killed is replayed. `force`: a
/// memory maximum is put back even where the kernel will have to kill for it.
RestoreReport restore(const Host& host, const std::vector<Step>& steps, bool force, size_t first = 0);

}  // namespace ffrtmp
