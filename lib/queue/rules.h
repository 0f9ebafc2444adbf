#pragma once

#include <cstdint>
#include <string>
#include <vector>

namespace ffrtmp::queue {

/// All times are milliseconds on the database's clock.

/// How a failed attempt waits before the next: min(first * 2^(n-1), most), of which a random part is kept.
struct Backoff {
  int64_t first_ms = 5'000;
  int64_t most_ms = 10 * 60'000;
};
/// `failures` counts from 1; `chance` is in [0, 1): the wait is between half and the whole of the step.
int64_t backoff_ms(const Backoff& backoff, int64_t failures, double chance);

/// What becomes of a result that arrives for (job, attempt).
enum class Reception {
  accept,     ///< the fence is the current one
  adopt,      ///< the attempt was given up for lost, its work is good, and nobody else has finished
  duplicate,  ///< the very result that was accepted before: the sender missed our answer
  stale,      ///< refused: another attempt is the job's, or it has ended
};
struct Fence {
  std::string job_state;        ///< of the job now
  int64_t current_attempt = 0;  ///< the newest attempt handed out
  std::string attempt_state;    ///< of the attempt that the result names; empty: no such attempt
  std::string attempt_node;
};
/// `node`, `attempt` and `succeeded` are the sender's. A stranger's fence is stale whatever it says.
Reception receive(const Fence& fence, const std::string& node, int64_t attempt, bool succeeded);

/// The clocks of one job in flight; 0: not set.
struct Timers {
  int64_t offer_until = 0;  ///< the grant must be accepted by then
  int64_t lease_until = 0;  ///< its node must speak by then (with the job's own patience added)
  int64_t progress_by = 0;  ///< frames must advance by then
  int64_t run_by = 0;       ///< the job must end by then
};
enum class Due { nothing, offer, lease, progress, run };
Due due(const std::string& job_state, const Timers& timers, int64_t now);

/// Failure classes of an attempt that another attempt may cure.
bool worth_retrying(const std::string& failure_class);
const std::vector<std::string>& failure_classes();

/// Failure classes that speak against the node: the others are the job's own (its input, its parameters, its
/// limits), or the honest word of a node that it lacks something, of which others may have more.
bool speaks_against_node(const std::string& failure_class);

/// Lists kept in one text column: "|a|b|".
bool listed(const std::string& list, const std::string& word);
std::string with(const std::string& list, const std::string& word);
size_t count_of(const std::string& list);

/// A job that was running when two different nodes went down is not given to a third.
constexpr size_t kPoison = 2;
/// A node on which this many different jobs failed in a row is cordoned.
constexpr size_t kSick = 3;

}  // namespace ffrtmp::queue
