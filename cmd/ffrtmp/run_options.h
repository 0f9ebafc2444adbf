#pragma once

#include <string>
#include <vector>

#include "jobs/run.h"
#include "jobs/run_request.h"
#include "verb.h"

namespace ffrtmp {

/// A verb's own options, and those that every verb which starts a workload takes: limits, placement, log,
/// state, output.
std::vector<OptionSpec> with_run_options(std::vector<OptionSpec> own);

/// The request that these options make of a command. Nothing was touched when an error is found.
Result<RunRequest> read_run_options(const Arguments& arguments, std::vector<std::string> argv);

/// Prints for people on stderr, and for machines on stdout with --json.
class RunPrinter final : public RunListener {
 public:
  RunPrinter(bool quiet, bool json, RunRequest::Mode mode) : quiet_(quiet), json_(json), mode_(mode) {}
  void started(const Record& record) override;
  bool wants_result() const override { return json_ && mode_ == RunRequest::Mode::foreground; }
  void ended(const Record& record, const Ending& ending, const Verdict& verdict, const Json& result) override;

 private:
  bool quiet_, json_;
  RunRequest::Mode mode_;
};

}  // namespace ffrtmp
