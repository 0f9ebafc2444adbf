#pragma once

#include "api.h"

namespace ffrtmp::master {

/// Something that the answer to this node's next heartbeat tells is new: its parked poll is answered at once
/// and says so, here or at whichever master has it.
void hurry(App& app, const std::string& node);
/// The same for this master alone.
void hurry_here(const std::string& node);

/// Answers with grants as soon as there are any, with none after `wait_ms`. While it waits it holds no
/// thread.
Answer wait_for_work(std::shared_ptr<Call> call, store::Claim claim, int64_t wait_ms);

}  // namespace ffrtmp::master
