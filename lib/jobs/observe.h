#pragma once

#include <signal.h>

#include <functional>

#include "jobs/launch.h"
#include "jobs/result.h"

namespace ffrtmp {

/// Waits for a job of ours without a single wake-up while nothing happens: on its pidfd, on signals, on its
/// time limit, and on the first write to a log that has a cap. On SIGTERM and the like it lets go
/// (Ending::detached_by), or passes them on with forward_signals. Hands the terminal to and fro on stop and
/// continue. Blocks the signals it handles for the process; call block_signals() before the launch so that
/// none is missed.
/// `settled` runs once, when the job has lived for a quarter of a second: the time for work that must not
/// delay it.
Ending observe(Launched& job, const RunRequest& request, const std::function<void()>& settled);
void block_signals();
/// The signals that make whoever waits let go of its jobs.
sigset_t leaving_signals();

/// Waits before a restart. False when that is not to be: an operator asked for the job's end, or a signal
/// made us let go (then `ending.detached_by` is set).
bool wait_before_restart(const Launched& job, Duration pause, Ending& ending);

/// Gives back to the kernel what was only needed to get here: heap, and pages of our own program and of its
/// libraries that waiting does not use. A wrapper waits for days.
void shrink();

}  // namespace ffrtmp
