#pragma once

#include "store/claims.h"

namespace ffrtmp::store {

/// What the passing of time does to jobs and nodes. One step each, small enough to stand in one transaction;
/// called by the master that keeps house. All are level-triggered: a missed call is made good by the next.

/// `judge`: whether silent nodes may be given up already (not within the grace after a start or an outage).
/// Gives how many changed; at most `most`.
Result<int64_t> sweep_timers(Tx& tx, queue::Board& board, const Periods& periods, bool judge, int64_t most);

struct Retention {
  int64_t jobs_ms = INT64_C(30) * 86'400'000;
  int64_t events_ms = INT64_C(30) * 86'400'000;
};
struct Swept {
  int64_t removed = 0;
  int64_t cursor = 0;               ///< hand it back: where the next step goes on
  std::vector<std::string> places;  ///< files to unlink after the commit
};
/// Deletes finished jobs and events that are older than the policy, up to `most` rows.
Result<Swept> sweep_old(Tx& tx, const Retention& retention, int64_t cursor, int64_t most);

/// What is in flight: for fairness, and to know whether anything needs watching.
struct InFlight {
  std::map<std::string, int64_t> by_tenant;
  int64_t jobs = 0, nodes_online = 0, deadlines = 0;
  int64_t first_lease = 0;  ///< when the first of the nodes has been silent for too long; 0: none is online
};
Result<InFlight> in_flight(Tx& tx);

/// Asks every class of the board for its first job: after a start, and now and then where other masters
/// submit too.
Status refresh_board(Tx& tx, queue::Board& board);

}  // namespace ffrtmp::store
