#pragma once

#include "adopt/journal.h"
#include "adopt/survey.h"
#include "cgroup/placement.h"

namespace ffrtmp {

/// Moves a process tree, every thread of it, into a leaf: parents first, so that what they start from then on
/// is born there, and again until a pass finds nobody outside. CPU affinities that the kernel resets on the
/// way are set back. Each move is in the journal first. Errors: a refusal; somebody moves them away again;
/// the first process has ended.
Status move_tree(const Host& host, const ProcessIdentity& root, const std::string& job, const Base& base,
                 const Leaf& leaf, Journal& journal);

/// Whether every living thread of the process stands in the leaf's folders, or below them, by the kernel's
/// word.
bool stands_in(const ProcessRef& process, const Leaf& leaf);

/// Sets the affinity of threads back to what a step kept of it, as far as the cgroup that they stand in lets.
void keep_affinity(const ThreadStep& kept);

}  // namespace ffrtmp
