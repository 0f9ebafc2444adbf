#pragma once

#include <set>
#include <string>
#include <vector>

#include "cgroup/leaf.h"
#include "cgroup/placement.h"
#include "cgroup/receipt.h"
#include "proc/spawn.h"

namespace ffrtmp {

/// A receipt in the making: rows whose outcome only the workload's own settings will tell.
struct PlannedRow {
  LimitKind kind;
  LimitValue asked;
  ReceiptRow row;
  std::vector<Setting> settings;  ///< what stands for this row in the spawn plan; empty when a cgroup does
};
struct Governed {
  std::vector<PlannedRow> rows;
};

/// The order in which limits are to be set, as indices. Settings of the process itself first: they outrank
/// what stands in for a cgroup limit. v1's swap limit counts memory too, so it comes after the memory limit
/// there; v2's comes before it.
std::vector<size_t> writing_order(const std::vector<Limit>& limits, bool v1_memory);

/// Writes each limit into the leaf, reads it back with its effective value, and puts the next best thing into
/// the spawn plan where no cgroup can hold it: the ladder. `base` and `leaf` are null without a cgroup.
Governed apply_limits(const Base* base, const Leaf* leaf, const std::vector<Limit>& limits, SpawnPlan& plan);

/// Whose settings the ladder is for: 0 is this process, which is about to become the workload. A workload
/// that runs already is given nothing that may break it (RLIMIT_DATA) or that others would feel (autogroup).
struct LadderOf {
  pid_t pid = 0;
  bool running = false;
};
/// The next best thing for a limit that no cgroup holds. What several limits want to set, the first one sets:
/// an explicit --nice outranks the nice value that stands in for a weight, so explicit ones come first.
void plan_on_ladder(const Limit& limit, PlannedRow& planned, SpawnPlan& plan, const LadderOf& of);

/// Reads what is in force in a cgroup, whoever wrote it, into the row: value, effective value, strength.
/// False, with the reason in `row.why`, when there is no such limit.
bool read_back(const CgroupDir& dir, const Limit& limit, ReceiptRow& row);

/// Fits the CPU affinity to the CPU quota before exec, because FFmpeg sizes its thread pools from the
/// affinity mask and never looks at cpu.max. Adds its row. `start` spreads jobs over the CPUs.
void fit_threads(Governed& governed, const std::vector<Limit>& limits, unsigned start, SpawnPlan& plan);

/// The rows with what the workload reported of its own settings.
std::vector<ReceiptRow> finish_rows(const Governed& governed,
                                    const std::array<SettingOutcome, kSettingCount>& settings);

/// What `--require` demands that these rows cannot give; an empty list is satisfied. Rows that wait for the
/// workload's own settings are put into plan.required instead.
std::vector<const ReceiptRow*> unmet(const Governed& governed, const std::set<LimitKind>& required,
                                     SpawnPlan& plan);

/// The nice value that shares CPU time about as this weight does: a step of nice is a factor of 1.25.
int nice_of_weight(unsigned weight);

}  // namespace ffrtmp
