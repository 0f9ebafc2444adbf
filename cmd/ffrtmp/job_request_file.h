#pragma once

#include <string>

#include "sys/fd.h"
#include "types/plan.h"

namespace ffrtmp {

/// A job in a file instead of in arguments: an address that is a secret then stands in no process list.
/// Agents start their jobs this way.
///
/// The file is the token of the launch. It is locked (flock) from here until the workload runs or could not
/// be started, so that whoever finds the lock free knows that nobody is about to start the job, and a file
/// that was renamed meanwhile starts nothing.
struct JobRequestFile {
  std::string type;
  JobRequest request;
  Fd lock;  ///< of the open file: close it when the workload runs
};

/// {"type": …, "inputs": […], "outputs": […], "parameters": {"name": "text"}, "rest": […]}. Errors: it
/// belongs to somebody else or others may read it (it may hold secrets), another ffrtmp starts it right now,
/// it is not such a document.
Result<JobRequestFile> read_request_file(const std::string& path);

}  // namespace ffrtmp
