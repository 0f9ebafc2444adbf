#pragma once

#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "media/encoders.h"
#include "types/job_type.h"

namespace ffrtmp {

/// What somebody asked of a job type.
struct JobRequest {
  std::vector<std::string> inputs, outputs;                     ///< as given, in the type's order
  std::vector<std::pair<std::string, std::string>> parameters;  ///< key=value
  std::vector<std::string> rest;                                ///< what followed "--"
  std::string verify;                                           ///< quick, full, none; "" for the type's own
  std::string job_id;
};

/// One command (or a number of them that may run beside each other) with everything resolved.
struct PlannedStep {
  std::string name, engine, builtin;
  std::vector<std::vector<std::string>> commands;  ///< arguments without what the engine adds
  std::string out, unless, pattern;
  bool parallel = false, may_fail = false;
  std::optional<double> total_s;
};
struct PlannedOutput {
  std::string name, kind;   ///< kind: file, folder, url, text
  std::string temp, final;  ///< the same for url; final "" for text that goes to stdout
};
struct PlannedCheck {
  std::string path, kind;
  Json expect = Json::object();
};

/// A job with nothing left to decide: what the workload is handed.
struct JobPlan {
  std::string type, engine, verify, work;
  int64_t version = 1;
  Json parameters = Json::object();
  std::vector<std::string> notes;  ///< what was chosen and why, for people
  std::vector<std::string> inputs;
  std::vector<PlannedStep> steps;
  std::vector<PlannedOutput> outputs;
  std::vector<PlannedCheck> checks;
  std::optional<double> media_s;  ///< seconds of media that the job makes, where known
  bool live = false;
  std::string restart;  ///< "", or what the type's template came to: no, on-failure, always
  std::string segment_list;
  std::optional<double> keep_age_s, keep_bytes;
};
Json to_json(const JobPlan& plan);
Result<JobPlan> plan_from_json(const Json& json);

/// Resolves a request against a type: inputs are looked at (and probed), parameters checked, encoders chosen,
/// outputs judged writable. Nothing is made. Errors name what is wrong with which input or parameter.
Result<JobPlan> make_plan(const JobType& type, const JobRequest& request, EncoderBook& encoders);

/// The whole command of a step as it will be run; progress "" leaves that out.
std::vector<std::string> full_command(const PlannedStep& step, const std::vector<std::string>& args,
                                      const std::string& progress);

}  // namespace ffrtmp
