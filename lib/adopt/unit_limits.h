#pragma once

#include <string>
#include <vector>

#include "cgroup/limit.h"
#include "sys/json.h"

namespace ffrtmp {

/// A limit in systemd's words: [[name, value], …] for SetUnitProperties.
/// Source: org.freedesktop.systemd1(5), systemd.resource-control(5).
Result<Json> unit_properties_of(const Limit& limit);

/// What puts a unit's properties back, from their values as systemd told them: lists are emptied first, since
/// systemd adds to them.
Json undo_properties(const Json& values);

}  // namespace ffrtmp
