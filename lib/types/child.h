#pragma once

#include <sys/types.h>

#include <string>
#include <vector>

#include "sys/fd.h"
#include "sys/result.h"

namespace ffrtmp {

/// Where a step's streams go: -1 leaves what there is.
struct ChildStreams {
  int in = -1, out = -1, err = -1;
};

/// A program of a step that runs in this process's group. Ours to wait for.
struct Child {
  pid_t pid = -1;
  Fd pidfd;
};
/// Errors: 127 not found, 126 not executable.
Result<Child> start_child(const std::vector<std::string>& argv, const ChildStreams& streams);

/// A file in memory that a step's output goes to: no pipe, so nobody is ever blocked by us, and it lives as
/// long as the step does, whatever becomes of us.
Result<Fd> memory_file(const char* name);
/// The last `limit` bytes of it.
std::string tail_of(int fd, size_t limit);

/// Signals that tell a job to stop, as a descriptor; blocked in this process from here on.
Result<Fd> stop_signals();

}  // namespace ffrtmp
