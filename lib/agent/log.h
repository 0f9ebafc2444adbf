#pragma once

#include "sys/log.h"

namespace ffrtmp::agent {

/// One line on stderr, or where stderr is the journal an entry with fields of its own (job → FFRTMP_JOB, …),
/// so that `journalctl FFRTMP_JOB=j-7` finds a job. Secrets in URLs are hidden. Thread-safe.
void log(Level level, std::string_view message, const Fields& fields = {});

}  // namespace ffrtmp::agent
