// Batch stands aside while a live job waits for what it needs.
#include <algorithm>

#include "agent/agent.h"
#include "agent/log.h"
#include "jobs/live.h"

namespace ffrtmp::agent {

/// The largest share of the time since the last look in which some task of a live job waited; none where no
/// live job runs, or its cgroup does not tell (v1, no cgroup).
std::optional<double> Agent::live_pressure() {
  const Duration now = boot_time();
  const double passed = seconds_of(now - pressure_at_) * 1e6;
  pressure_at_ = now;
  std::optional<double> worst;
  for (const auto& [key, job] : jobs_) {
    if (job->attempt.queue != "live" || job->attempt.step != Step::running || !job->stored) continue;
    const Usage usage = live_usage(host_, *job->stored);
    const std::optional<uint64_t> totals[] = {usage.cpu_pressure_us, usage.memory_pressure_us,
                                              usage.io_pressure_us};
    for (size_t i = 0; i < 3; i++) {
      if (!totals[i]) continue;
      const uint64_t before = job->waited_us[i].value_or(*totals[i]);
      job->waited_us[i] = totals[i];
      if (passed <= 0 || *totals[i] < before) continue;
      worst = std::max(worst.value_or(0), static_cast<double>(*totals[i] - before) / passed);
    }
  }
  return worst;
}

/// Looked at with every heartbeat.
void Agent::yield_to_live() {
  JobPtr youngest, longest_aside;
  for (const auto& [key, job] : jobs_) {
    const Attempt& attempt = job->attempt;
    if (attempt.queue != "batch" || attempt.step != Step::running) continue;
    auto& chosen = job->stands_aside ? longest_aside : youngest;
    const bool younger = !chosen || attempt.granted_at > chosen->attempt.granted_at;
    if (job->stands_aside ? !younger || !chosen : younger) chosen = job;
  }
  const Yield::Act act = yield_.judge(live_pressure(), youngest != nullptr, longest_aside != nullptr);
  const JobPtr& job = act == Yield::Act::pause_one ? youngest : longest_aside;
  if (act == Yield::Act::nothing || !job) return;
  job->stands_aside = act == Yield::Act::pause_one;
  log(Level::info, job->stands_aside ? "stands aside for a live job" : "goes on",
      {{"job", job->attempt.job}, {"attempt", std::to_string(job->attempt.number)}});
  apply_wish(job);
}

}  // namespace ffrtmp::agent
