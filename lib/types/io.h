#pragma once

#include <string>
#include <vector>

#include "types/plan.h"

namespace ffrtmp {

/// Inputs and outputs of a request against what the type allows.

/// One input as templates see it: path, url, name, ext, stem, bytes, and what ffprobe told. Errors: not
/// there, empty, a scheme that is not allowed, a playlist, not media, without the stream that is needed.
Result<Json> look_at_input(const InputSpec& spec, const std::string& given);
/// All inputs by name (a list for one that takes many).
Result<Json> look_at_inputs(const JobType& type, const std::vector<std::string>& given);

/// Where an output goes and under which name it is made. Errors: the folder is missing or not writable, an
/// extension or scheme that is not allowed, it is one of the inputs.
Result<PlannedOutput> plan_output(const OutputSpec& spec, const std::string& given, const std::string& job_id,
                                  const std::vector<std::string>& inputs);

std::string absolute_path(const std::string& path);

}  // namespace ffrtmp
