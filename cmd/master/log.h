#pragma once

#include "sys/log.h"

namespace ffrtmp::master {

/// One line an entry on standard error; under systemd with the journal's priority prefix. Values are escaped,
/// URLs redacted. Thread-safe.
void log(Level level, std::string_view message, const Fields& fields = {});

}  // namespace ffrtmp::master
