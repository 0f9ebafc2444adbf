#pragma once

#include <string>

#include "sys/fd.h"
#include "sys/result.h"

namespace ffrtmp {

/// A file in memory that a step's output goes to: no pipe, so nobody is ever blocked by us, and it lives as
/// long as the step does, whatever becomes of us.
Result<Fd> memory_file(const char* name);
/// The last `limit` bytes of it.
std::string tail_of(int fd, size_t limit);

/// Signals that tell a job to stop, as a descriptor; blocked in this process from here on.
Result<Fd> stop_signals();

}  // namespace ffrtmp
