#pragma once

#include <atomic>
#include <memory>
#include <optional>
#include <string>

#include "agent/link.h"
#include "agent/prepare.h"

namespace ffrtmp::agent {

/// Brings the files of an attempt to their places. Blocks; for a thread of its own. What has arrived of a
/// file is kept (PATH.part), and the next try, or the next agent, goes on from there. A file appears under
/// its name when it is whole and its digest fits.
///
/// Uploads of the master's are asked for until they come; of other servers only so often. Nothing: all is
/// here. `stop` ends it soon, with a refusal that nobody reads.
std::optional<Refusal> fetch_all(const std::vector<Fetch>& files, const std::string& job,
                                 const std::shared_ptr<Masters>& masters, bool allow_inward,
                                 const std::atomic<bool>& stop);

}  // namespace ffrtmp::agent
