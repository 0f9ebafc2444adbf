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

/// Writes each limit into the leaf, reads it back with its effective value, and puts the next best thing into
/// the spawn plan where no cgroup can hold it: the ladder. `base` and `leaf` are null without a cgroup.
Governed apply_limits(const Base* base, const Leaf* leaf, const std::vector<Limit>& limits, SpawnPlan& plan);

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
