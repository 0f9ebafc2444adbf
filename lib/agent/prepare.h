#pragma once

#include <expected>
#include <string>
#include <vector>

#include "agent/attempt.h"
#include "agent/options.h"
#include "cgroup/receipt.h"
#include "types/job_type.h"

namespace ffrtmp::agent {

/// Why an attempt is not run, in the master's terms (docs/API.md): the class decides whether another node is
/// tried.
struct Refusal {
  std::string failure_class;  ///< "input", "parameters", "capability", "node", …
  std::string reason;
};
template <class T>
using Or = std::expected<T, Refusal>;

/// A file that has to be here before the job is launched.
struct Fetch {
  std::string url;   ///< http(s)://…; "" for a file that was uploaded to the master
  std::string name;  ///< of that upload, and of the file in the attempt's folder
  std::string path;
  std::string sha256;  ///< "" where nobody said
  int64_t size = -1;   ///< -1 where nobody said
};

/// An attempt with nothing left to decide.
struct Prepared {
  std::vector<Fetch> fetches;
  Json request;                        ///< for ffrtmp job --request
  std::vector<std::string> arguments;  ///< what follows "ffrtmp job --request FILE"
};

/// The folders in an attempt's own folder.
inline constexpr char kInFolder[] = "in", kOutFolder[] = "out", kPutFolder[] = "put";
inline constexpr char kLogName[] = "log", kResultName[] = "result.json", kRequestName[] = "request.json",
                      kComplaintName[] = "launch.err", kAttemptName[] = "attempt.json";

/// What is run, with which files and limits. Looks at local inputs and outputs; changes nothing.
/// `folder` is the attempt's own.
Or<Prepared> prepare(const Attempt& attempt, const JobType& type, const Options& options,
                     const std::string& folder);

/// The limits of an attempt as flags of ffrtmp: of every bound the strictest of the job's, its type's and the
/// node's; shares and niceness come from its queue's profile.
Or<std::vector<std::string>> limit_flags(const Attempt& attempt, const JobType& type, const Options& options);
/// The shares alone, for a job that was moved to another queue while it runs.
std::vector<std::string> share_flags(const Attempt& attempt);
/// Whether a run was given the share of its attempt's queue.
bool has_share(const Receipt& receipt, const Attempt& attempt);

}  // namespace ffrtmp::agent
