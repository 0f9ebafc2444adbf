#pragma once

#include "adopt/journal.h"
#include "proc/spawn.h"

namespace ffrtmp {

/// Makes every process and thread of a tree have what the ladder says (nice, ionice, affinity,
/// oom_score_adj), walking until nothing is new; each step is in the journal first. The outcome of each
/// setting is what all threads were found to have, or why it was refused: not an error. Errors: the first
/// process has ended; the journal cannot be written.
Result<std::array<SettingOutcome, kSettingCount>> set_tree(const ProcessIdentity& root,
                                                           const std::string& job, const SpawnPlan& ladder,
                                                           Journal& journal);

}  // namespace ffrtmp
