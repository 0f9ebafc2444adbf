#pragma once

#include <vector>

#include "why/observation.h"
#include "why/report.h"

namespace ffrtmp {

/// What holds a running job back, the heaviest first; empty when nothing does. Pure. Below a tenth of the
/// time nothing is called a cause.
std::vector<Cause> find_causes(const Observation& seen);

/// The lines of evidence, whatever the verdict.
std::vector<Evidence> evidence_of(const Observation& seen);
/// The same for machines.
Json figures_of(const Observation& seen);

/// The sentence about a running job.
std::string sentence_of(const Observation& seen, const std::vector<Cause>& causes);

}  // namespace ffrtmp
