#pragma once

#include <set>

#include "adopt/journal.h"
#include "adopt/plan.h"
#include "cgroup/receipt.h"

namespace ffrtmp {

/// Where a job's limits are written.
struct Standing {
  Way way = Way::stay;
  Leaf leaf;                  ///< its cgroup's folders: ours (Way::leaf) or not; none with Way::stay
  std::string manager, unit;  ///< Way::unit
  std::map<Controller, std::string> missing;  ///< why a controller is not to be had in the leaf
};

struct ChangeRequest {
  std::vector<Limit> limits;
  std::set<LimitKind> required;  ///< an error, unless enforced
  bool force = false;            ///< a memory maximum below the use is written all the same
  bool hold_scope = true;        ///< not so for whoever holds the scope of our jobs already
};

/// Puts limits on a living job: its cgroup, else every thread of its tree (walked until nothing is new), and
/// reads each back. Memory is lowered kindly: high, reclaim, and the maximum only when the use is below it.
/// Errors leave what the journal tells: the caller undoes it (restore()). A limit that cannot be had at all
/// is no error unless it is required: its row says why.
Result<std::vector<ReceiptRow>> change_limits(const Host& host, const ProcessIdentity& root,
                                              const std::string& job, const Standing& standing,
                                              const ChangeRequest& request, Journal& journal);

/// A process under limits.
struct Applied {
  Standing standing;
  Receipt receipt;
  Fd scope_hold;  ///< open: the systemd scope stays until the last counters are read
};

/// Does what the plan says, journaling each step first. `leaf_name` is the job's id.
/// Errors: as change_limits; the process ended meanwhile; its place could not be made or entered.
Result<Applied> apply(const Host& host, const Survey& survey, const Plan& plan, const ChangeRequest& request,
                      const std::string& leaf_name, Journal& journal);

}  // namespace ffrtmp
