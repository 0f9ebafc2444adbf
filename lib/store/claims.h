#pragma once

#include <memory>

#include "queue/rules.h"
#include "store/jobs.h"

namespace ffrtmp::store {

/// The periods that rule a fleet, in milliseconds.
struct Periods {
  int64_t offer = 30'000;           ///< a grant must be accepted by then
  int64_t least_heartbeat = 5'000;  ///< nodes are asked to speak this often, more rarely when there are many
  int64_t most_heartbeat = 60'000;
  int64_t heartbeats_per_second = 250;
  int64_t run_slack = 30'000;     ///< beyond a job's own run limit, which the node enforces first
  int64_t forget_slack = 15'000;  ///< how long a job may miss in its node's list before it counts as lost
  queue::Backoff backoff;
};
/// The heartbeat period for so many nodes, and the lease that goes with it (three beats and a bit).
int64_t heartbeat_period(const Periods& periods, int64_t nodes);
int64_t lease_for(const Periods& periods, int64_t heartbeat);

struct Grant {
  std::string job;
  int64_t attempt = 0;
  std::string document;  ///< the job's document, JSON, with its secrets
  std::string queue, priority;
};
struct Claim {
  std::string node;
  queue::Free free;
  std::string nonce;    ///< a repeated request with the same nonce gets the same grants
  std::string session;  ///< the agent's, as in its heartbeats; empty: it does not say
  int64_t most = 1;
  Periods periods;
  int64_t lease = 0;
};
struct Claimed {
  std::vector<Grant> grants;
  std::shared_ptr<const queue::NodeCaps> caps;
  std::string closed;    ///< "draining", "cordoned": no work will come (told to who asks for some); "offline"
  bool refused = false;  ///< it came from a second agent with the node's identity
};
Result<Claimed> claim(Tx& tx, queue::Board& board, const Claim& claim);

/// A job's attempt, by whose number others are told apart.
struct Fence {
  std::string job;
  int64_t attempt = 0;
};

/// The outcome of one fence in an accept or a result.
struct FenceAnswer {
  std::string job;
  int64_t attempt = 0;
  int status = 200;     ///< 200, or 404, 409, 422
  std::string state;    ///< the job's state now
  std::string node;     ///< whose attempt is the job's now
  int64_t current = 0;  ///< the job's newest attempt
  bool duplicate = false;
  bool adopted = false;
  std::string detail;
};
/// An answer for each, in their order.
Result<std::vector<FenceAnswer>> accept(Tx& tx, const std::string& node, const std::vector<Fence>& grants);

struct ResultIn {
  std::string job;
  int64_t attempt = 0;
  std::string outcome;  ///< succeeded, failed, cancelled
  std::string failure_class, reason;
  std::string document;  ///< the whole result, JSON
  struct File {
    std::string name, sha256;
    int64_t size = 0;
  };
  std::vector<File> artifacts;  ///< must have arrived before a success is believed
};
/// An answer for each, in their order.
Result<std::vector<FenceAnswer>> take_results(Tx& tx, queue::Board& board, const Periods& periods,
                                              const std::string& node, const std::vector<ResultIn>& results);

/// The node of a running job is silent, or does not know the job: what becomes of the job.
Status lose_attempt(Tx& tx, queue::Board& board, const Periods& periods, Job& job, const std::string& reason,
                    bool node_down);
/// An attempt ended without success; retries or fails the job.
Status fail_attempt(Tx& tx, queue::Board& board, const Periods& periods, Job& job,
                    const std::string& failure_class, const std::string& reason, const std::string& result);
Status end_attempt(Tx& tx, const Job& job, int64_t attempt, const std::string& state,
                   const std::string& reason, const std::string& result);

}  // namespace ffrtmp::store
