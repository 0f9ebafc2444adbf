#pragma once

#include <string>

namespace ffrtmp::master {

/// The OpenAPI 3.1 document, made from the route table itself, so that none can be missing.
std::string openapi_document();

}  // namespace ffrtmp::master
