#include <fcntl.h>
#include <poll.h>
#include <sys/inotify.h>
#include <unistd.h>

#include "jobs/live.h"
#include "jobs/result.h"
#include "print.h"
#include "verb.h"

namespace ffrtmp {

namespace {

/// Sleeps until the job's result is there, its folder goes away, or (with nobody else to tell) its workload
/// ends.
Result<int> wait_verb(const Arguments& arguments) {
  TRY(const std::string id, one_job(arguments));
  TRY(const JobStore store, JobStore::open_existing());
  const Fd watch(::inotify_init1(IN_CLOEXEC));
  // Watching comes before looking: a result that is written in between is not missed.
  ::inotify_add_watch(watch.get(), (store.path() + "/jobs/" + id).c_str(),
                      IN_MOVED_TO | IN_DELETE_SELF | IN_ONLYDIR);
  TRY(StoredJob job, store.find(id));
  const auto code_of = [](const Json& result) -> Result<int> {
    if (text_or(result, "outcome") == outcome_name(Outcome::lost))
      return bad_input("nobody saw how the job ended:", text_or(result, "job_id"));
    return exit_code_of_result(result);
  };
  std::optional<ProcessRef> workload;
  if (job.record.workload)
    if (auto opened = ProcessRef::open(*job.record.workload)) workload = std::move(*opened);
  for (;;) {
    if (job.state == JobState::ended && job.result) return code_of(*job.result);
    if (job.state == JobState::lost) {
      // The workload was ours to hold when it ended: a new enough kernel tells us what nobody else was told.
      const auto status = workload ? exit_status_of(workload->pidfd()) : std::nullopt;
      if (const auto settled = settle_unobserved(probe_host(), job, status); !settled)
        return std::unexpected(settled.error());
      TRY(job, store.find(id));
      if (!job.result) return bad_input("nobody saw how the job ended:", id);
      return code_of(*job.result);
    }
    // While somebody waits for the job, their end is news too: they may be killed before they can write a
    // result.
    const auto observer = job.state != JobState::unobserved && job.record.observer
                              ? ProcessRef::open(*job.record.observer)
                              : sys_error("", "", ESRCH);
    if (job.state != JobState::unobserved && !observer) {
      ::poll(nullptr, 0, 10);
      TRY(job, store.find(id));  // gone since we looked: the state is another now
      continue;
    }
    pollfd waiting[2] = {{watch.get(), POLLIN, 0},
                         {observer   ? observer->pidfd()
                          : workload ? workload->pidfd()
                                     : -1,
                          POLLIN, 0}};
    if (::poll(waiting, 2, -1) < 0 && errno != EINTR) return sys_error("waiting for", id);
    char events[4096];
    if (waiting[0].revents) (void)!::read(watch.get(), events, sizeof events);
    auto again = store.find(id);
    if (again) {
      job = std::move(*again);
      continue;
    }
    // A foreground job without an id of its own takes its folder with it.
    const auto status = workload ? exit_status_of(workload->pidfd()) : std::nullopt;
    if (!status)
      return bad_input("the job has ended and was not to be kept:", id, "give it a --job-id to wait for it");
    Ending ending;
    ending.wait_status = status;
    return exit_code_of(judge(job.record, ending));
  }
}

}  // namespace

const Verb kWaitVerb = {
    "wait",
    "JOB",
    "Wait for a job to end and exit with its code.",
    {},
    "125 when nobody saw how it ended; the same codes as ffrtmp run otherwise.\n",
    wait_verb,
};

}  // namespace ffrtmp
