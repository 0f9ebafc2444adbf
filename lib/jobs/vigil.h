#pragma once

#include <functional>
#include <optional>

#include "jobs/adoption.h"
#include "jobs/result.h"

namespace ffrtmp {

/// What came of waiting for an adopted job. No result when it was let go of (a signal to us, or ffrtmp
/// detach).
struct Settled {
  Ending ending;
  Verdict verdict;
  Json result;
};
using OnSettled = std::function<void(const AdoptedJob&, const Settled&)>;

/// Waits for adopted jobs, without a wake-up while nothing happens: on their pidfds, on signals, and on their
/// folders (ffrtmp detach ends a job there). Each that ends has its result written, with the exit status
/// where the kernel tells it (6.15), and what outlives it is cleared away. A signal to us lets all of them
/// go: their limits stay, and ffrtmp detach undoes them. Call block_signals() (observe.h) before the jobs are
/// adopted. Returns the exit code for the command: of the first job that did not end with 0, 128 + n for a
/// signal to us.
int keep_vigil(const Host& host, std::vector<AdoptedJob> jobs, const OnSettled& settled);

}  // namespace ffrtmp
