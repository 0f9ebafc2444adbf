#include "queue/rules.h"

#include <algorithm>

#include "queue/state.h"

namespace ffrtmp::queue {

int64_t backoff_ms(const Backoff& backoff, int64_t failures, double chance) {
  int64_t step = backoff.first_ms;
  for (int64_t i = 1; i < failures && step < backoff.most_ms; i++) step *= 2;
  step = std::min(step, backoff.most_ms);
  return step / 2 + static_cast<int64_t>(static_cast<double>(step - step / 2) * chance);
}

Reception receive(const Fence& fence, const std::string& node, int64_t attempt, bool succeeded) {
  if (fence.attempt_state.empty() || fence.attempt_node != node) return Reception::stale;
  const bool current = attempt == fence.current_attempt;
  // The attempt has its verdict already: the same sender repeats itself.
  if (finished(fence.attempt_state)) {
    const bool same = (fence.attempt_state == "succeeded") == succeeded;
    return same ? Reception::duplicate : Reception::stale;
  }
  if (finished(fence.job_state)) return Reception::stale;
  if (current && active(fence.attempt_state) && active(fence.job_state)) return Reception::accept;
  // Given up for lost, and yet it finished. The first verified result wins, whoever else has begun meanwhile.
  if (fence.attempt_state == attempt::kLost && succeeded) return Reception::adopt;
  return Reception::stale;
}

Due due(const std::string& job_state, const Timers& timers, int64_t now) {
  const auto past = [&](int64_t moment) { return moment != 0 && moment <= now; };
  if (job_state == "offered") return past(timers.offer_until) ? Due::offer : Due::nothing;
  if (job_state != "running") return Due::nothing;
  // A silent node is the cause when progress and lease end together.
  if (past(timers.lease_until)) return Due::lease;
  if (past(timers.run_by)) return Due::run;
  if (past(timers.progress_by)) return Due::progress;
  return Due::nothing;
}

const std::vector<std::string>& failure_classes() {
  static const std::vector<std::string> kClasses = {"input",    "parameters", "capability", "resource",
                                                    "stall",    "node",       "network",    "cancelled",
                                                    "deadline", "unknown"};
  return kClasses;
}

bool worth_retrying(const std::string& failure_class) {
  return failure_class != "input" && failure_class != "parameters" && failure_class != "cancelled" &&
         failure_class != "deadline";
}

bool speaks_against_node(const std::string& failure_class) {
  return failure_class == "node" || failure_class == "network" || failure_class == "stall" ||
         failure_class == "unknown";
}

bool listed(const std::string& list, const std::string& word) {
  return list.find("|" + word + "|") != std::string::npos;
}

std::string with(const std::string& list, const std::string& word) {
  if (listed(list, word)) return list;
  return (list.empty() ? "|" : list) + word + "|";
}

size_t count_of(const std::string& list) {
  return list.empty() ? 0 : static_cast<size_t>(std::ranges::count(list, '|')) - 1;
}

}  // namespace ffrtmp::queue
