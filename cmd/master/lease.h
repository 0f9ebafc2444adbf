#pragma once

#include "api.h"

namespace ffrtmp::master {

/// Answers with grants as soon as there are any, with none after `wait_ms`. While it waits it holds no
/// thread.
Answer wait_for_work(std::shared_ptr<Call> call, store::Claim claim, int64_t wait_ms);

}  // namespace ffrtmp::master
