#pragma once

#include <sys/types.h>

#include <string>
#include <vector>

#include "sys/fd.h"
#include "sys/result.h"

namespace ffrtmp {

/// Where a child's streams go: -1 leaves what there is.
struct ChildStreams {
  int in = -1, out = -1, err = -1;
};

/// A program that runs in this process's group and session. Ours to wait for.
struct Child {
  pid_t pid = -1;
  Fd pidfd;
};

/// Starts a helper or a step with our environment. It blocks no signal, and what we ignore for ourselves
/// (SIGPIPE) means to it what it usually means; a SIGHUP that our caller ignores stays ignored. Workloads are
/// started by spawn() instead (spawn.h). Errors: 127 not found, 126 not executable.
Result<Child> start_child(const std::vector<std::string>& argv, const ChildStreams& streams);

}  // namespace ffrtmp
