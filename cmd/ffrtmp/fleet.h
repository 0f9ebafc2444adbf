#pragma once

#include <string>
#include <vector>

#include "sys/result.h"

namespace ffrtmp {

/// Verbs about a fleet (docs/API.md). They belong to ffrtmp-fleet, which loads libcurl: ffrtmp itself loads
/// nothing.
const std::vector<std::string>& fleet_verbs();
/// Becomes ffrtmp-fleet; returns only when that cannot be. `words` begin with the verb.
Result<int> fleet_verb(const std::vector<std::string>& words);

}  // namespace ffrtmp
