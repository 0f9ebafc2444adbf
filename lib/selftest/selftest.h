#pragma once

#include <functional>

#include "selftest/trial.h"
#include "sys/result.h"

namespace ffrtmp {

/// Starts a dummy inside each kind of limit, through the same code as every job, and measures that it is held
/// to it. `self` is our own program, which is the dummy. Hands each trial over as it is done; ten seconds, at
/// most 64M of memory and disk. Nothing is left. Errors: a dummy could not be started; EINTR, a signal was
/// sent to us or typed.
Status run_selftest(const std::string& self, const std::function<void(const Trial&)>& tell);

}  // namespace ffrtmp
