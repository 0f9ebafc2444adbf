#pragma once

#include <string>

#include "types/plan.h"

namespace ffrtmp {

/// An output that failed its verification: nothing stands under its final name.
constexpr int kVerificationFailed = 65;

/// Runs a plan to its end inside this process: the steps one after the other, then verification, then the
/// renames that make the outputs visible, then the report in the job's folder. This process is the job's
/// workload. Returns its exit code: 0; that of the step that failed; 65; 130 or 143 when it was told to stop
/// before it was done. Nothing is left under a temporary name.
struct ExecuteOptions {
  std::string folder;  ///< of the job, for its progress and its report; "" for none
  bool progress_line = false;
  bool print_reason = true;  ///< a failure is told on stderr; false when somebody else does
  bool print_text = true;    ///< an output of kind text without a file goes to stdout
};
int execute_plan(const JobPlan& plan, const ExecuteOptions& options);

}  // namespace ffrtmp
