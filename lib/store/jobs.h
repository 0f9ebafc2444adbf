#pragma once

#include <map>
#include <string>
#include <vector>

#include "queue/board.h"
#include "queue/spec.h"
#include "store/database.h"

namespace ffrtmp::store {

/// Job ids look like "j1042-x7k2m9": the number finds the row, the random part must fit, so that no id is
/// read as another one's prefix. 0 when the text is no such id.
int64_t seq_of(const std::string& id);

/// Who asks: what they may see and change.
struct Caller {
  std::string key_id;
  std::string tenant;
  bool admin = false;
};

struct Submitted {
  std::string id;
  int64_t seq = 0;
  std::string array_id;
};
/// Inserts jobs with their classes, dependencies and expected uploads. Errors: EINVAL with `object` naming
/// the job at fault
/// ("jobs[2].after") when a dependency is unknown, another tenant's, or has failed.
Result<std::vector<Submitted>> insert_jobs(Tx& tx, queue::Board& board,
                                           const std::vector<queue::JobSpec>& specs, const Caller& caller);

/// Everything that decisions about a job are made from.
struct Job {
  int64_t seq = 0, class_id = 0, waiting = 0, attempt = 0, failures = 0, max_attempts = 0, cancel = 0;
  int64_t created_at = 0, ready_at = 0, started_at = 0, ended_at = 0, queue_by = 0, offer_until = 0,
          run_by = 0, run_left = 0, run_ms = 0, progress_by = 0, progress_every = 0, patience = 0;
  std::string id, state, hold, type, tenant, key_id, queue, priority, spec, node, avoid, lost_on, reason,
      result, array_id, spread;
  bool alone = false;  ///< it was looked up, under the job's lock, that no other job waits for it
};
/// Reads one job and (in a write) locks its row. ENOENT when there is none, or when the caller may not see
/// it.
Result<Job> get_job(Tx& tx, const std::string& id, const Caller& caller, bool lock = false);
Result<Job> get_job(Tx& tx, int64_t seq, bool lock);
/// Reads and locks all jobs of a list of numbers; `read_jobs` gives them by their ids, whoever's they are.
Question lock_jobs(const std::string& list);
std::map<std::string, Job> read_jobs(const Rows& rows);

/// What everybody may see of it: no stream keys.
Json job_json(const Job& job, bool with_spec);

struct ListFilter {
  std::string state, queue, type, tenant, node, array_id;
  queue::Labels labels;
  int64_t before_seq = 0;  ///< the cursor: 0 starts at the newest
  int64_t limit = 100;
};
struct JobPage {
  std::vector<Job> jobs;
  int64_t next = 0;  ///< 0: no more
};
Result<JobPage> list_jobs(Tx& tx, const ListFilter& filter);

/// The verbs on one job. Errors: EBUSY with the state when it cannot be done in this state.
Status cancel_job(Tx& tx, queue::Board& board, Job& job, const std::string& reason);
Status pause_job(Tx& tx, Job& job);
Status resume_job(Tx& tx, queue::Board& board, Job& job);
Status retry_job(Tx& tx, queue::Board& board, Job& job);
Status move_job(Tx& tx, queue::Board& board, Job& job, const std::string& queue, const std::string& priority);
/// The places of its files are given back, to be unlinked after the commit.
Result<std::vector<std::string>> delete_job(Tx& tx, const Job& job);
Result<Json> attempts_json(Tx& tx, int64_t job_seq);

/// A job has ended: lets go of those that wait for it, or cancels them. Used by whoever ends one.
Status settle_dependents(Tx& tx, queue::Board& board, const Job& job, bool succeeded);
/// Its uploads or dependencies are complete (`waiting` counts them down).
Status count_down(Tx& tx, queue::Board& board, int64_t job_seq);
/// Puts a job back into the queue at `ready_at`; the caller has ended its attempt.
Status requeue(Tx& tx, queue::Board& board, Job& job, int64_t ready_at, const std::string& reason);
/// Ends a job for good.
Status finish(Tx& tx, queue::Board& board, Job& job, const std::string& state, const std::string& reason,
              const std::string& result);
std::string job_event_data(const Job& job, const std::string& reason = {});

/// Loads the classes this master does not know yet.
Status load_classes(Tx& tx, queue::Board& board);

}  // namespace ffrtmp::store
