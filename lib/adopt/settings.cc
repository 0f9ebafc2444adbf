#include "adopt/settings.h"

#include <fcntl.h>

#include <algorithm>
#include <set>

#include "adopt/survey.h"
#include "sys/file.h"
#include "sys/text.h"

namespace ffrtmp {

namespace {

constexpr int kMostPasses = 200;

/// One setting on every thread. The first refusal ends it.
Result<int> set_threads(const ProcessIdentity& root, const std::string& job, ThreadSetting setting,
                        const std::string& wanted, Journal& journal) {
  for (int pass = 0; pass < kMostPasses; pass++) {
    TRY(const auto tree, process_tree(root, skip_other_jobs(job)));
    bool changed = false;
    for (const auto& each : tree) {
      ThreadStep step{each.process.identity(), setting, {}, wanted};
      for (const auto& thread : threads_of(each.process))
        if (auto now = read_thread(setting, thread.tid); now && *now != wanted)
          step.threads.push_back({thread, std::move(*now)});
      if (step.threads.empty()) continue;
      TRY_OK(journal.add(step));
      for (const auto& [thread, before] : step.threads) {
        const auto set = write_thread(setting, thread.tid, wanted);
        if (!set && set.error().errnum != ESRCH) return set.error().errnum;
        changed |= set.has_value();
      }
    }
    if (!changed) return 0;
  }
  return EAGAIN;  // it starts threads faster than they can be walked
}

std::string oom_file(pid_t pid) { return "/proc/" + std::to_string(pid) + "/oom_score_adj"; }

Result<int> set_oom_score(const ProcessIdentity& root, const std::string& job, int wanted, Journal& journal) {
  std::set<pid_t> done;
  for (int pass = 0; pass < kMostPasses; pass++) {
    TRY(const auto tree, process_tree(root, skip_other_jobs(job)));
    bool changed = false;
    for (const auto& each : tree) {
      const auto now = parse_i64(trim(read_or_empty(AT_FDCWD, oom_file(each.process.pid()))));
      if (!now || *now == wanted || !each.process.alive()) continue;
      TRY_OK(journal.add(OomStep{each.process.identity(), static_cast<int>(*now), wanted}));
      const auto written = write_control(AT_FDCWD, oom_file(each.process.pid()), std::to_string(wanted));
      if (!written && each.process.alive()) return written.error().errnum;
      changed = true;
    }
    if (!changed) return 0;
  }
  return EAGAIN;
}

}  // namespace

Result<std::array<SettingOutcome, kSettingCount>> set_tree(const ProcessIdentity& root,
                                                           const std::string& job, const SpawnPlan& ladder,
                                                           Journal& journal) {
  std::array<SettingOutcome, kSettingCount> out{};
  const auto threads = [&](Setting which, ThreadSetting setting, const std::string& wanted) -> Status {
    auto& outcome = out[static_cast<size_t>(which)];
    TRY(outcome.errnum, set_threads(root, job, setting, wanted, journal));
    TRY(const ProcessRef process, ProcessRef::open(root));
    // Read back what they have: they all have the same unless one was refused.
    const auto living = threads_of(process);
    const auto now = living.empty() ? sys_error("", "", ESRCH) : read_thread(setting, living.front().tid);
    if (!now) return std::unexpected(now.error());
    if (setting == ThreadSetting::affinity)
      outcome.in_force = static_cast<long>(parse_cpu_list(*now)->cpus.size());
    else
      outcome.in_force = static_cast<long>(parse_i64(*now).value_or(0));
    return {};
  };
  // I/O priorities first: where none was set, the kernel derives them from the nice value, and what there was
  // before must be read before that changes.
  if (ladder.ionice) TRY_OK(threads(Setting::ionice, ThreadSetting::ionice, std::to_string(*ladder.ionice)));
  if (ladder.affinity)
    TRY_OK(threads(Setting::affinity, ThreadSetting::affinity, format_cpu_list(*ladder.affinity)));
  if (ladder.nice) TRY_OK(threads(Setting::nice, ThreadSetting::nice, std::to_string(*ladder.nice)));
  if (ladder.oom_score_adj) {
    auto& outcome = out[static_cast<size_t>(Setting::oom_score_adj)];
    TRY(outcome.errnum, set_oom_score(root, job, *ladder.oom_score_adj, journal));
    outcome.in_force =
        static_cast<long>(parse_i64(trim(read_or_empty(AT_FDCWD, oom_file(root.pid)))).value_or(0));
  }
  return out;
}

}  // namespace ffrtmp
