#pragma once

#include <string>
#include <utility>
#include <vector>

#include "sys/json.h"

namespace ffrtmp::master {

/// The schemas of the OpenAPI document, by name.
Json schemas();
/// Query and header parameters of an operation: name, place.
std::vector<std::pair<std::string, std::string>> query_parameters(const std::string& operation);

}  // namespace ffrtmp::master
