#pragma once

namespace ffrtmp {

/// What a verb of ffrtmp exits with when it is not passing on a workload's own code.
/// The same in every verb; documented in docs/EXIT-CODES.md. Source: coreutils timeout(1), env(1), POSIX sh.
enum class ExitCode : int {
  ok = 0,
  timed_out = 124,       ///< the job's time limit ended it
  ours = 125,            ///< ffrtmp itself failed, or was asked for something impossible; nothing was started
  not_executable = 126,  ///< the command was found but cannot be executed
  not_found = 127,       ///< the command was not found
};

/// A process that died by signal N is reported as 128 + N, as shells do.
constexpr int kSignalBase = 128;

}  // namespace ffrtmp
