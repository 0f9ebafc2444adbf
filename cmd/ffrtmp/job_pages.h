#pragma once

#include <string>

#include "types/plan.h"

namespace ffrtmp {

/// A type as a help page, and for machines.
std::string type_page(const JobType& type);
Json type_json(const JobType& type);
/// What --dry-run prints: each command on a line, quoted for a shell, secrets hidden.
std::string plan_page(const JobPlan& plan);
/// Every text in it with its secrets hidden.
Json redacted(const Json& json);

}  // namespace ffrtmp
