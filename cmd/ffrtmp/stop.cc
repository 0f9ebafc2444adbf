#include "jobs/stop.h"

#include <fcntl.h>
#include <poll.h>
#include <unistd.h>

#include "jobs/adoption.h"
#include "jobs/exit_meaning.h"
#include "jobs/live.h"
#include "print.h"
#include "sys/file.h"
#include "verb.h"

namespace ffrtmp {

namespace {

Result<int> stop_verb(const Arguments& arguments) {
  TRY(const std::string id, one_job(arguments));
  Duration grace = kStopGrace;
  if (arguments.has("grace")) {
    const auto given = parse_duration(arguments.value("grace"));
    if (!given) return bad_input("--grace: " + given.error().step, given.error().object, given.error().hint);
    grace = *given;
  }
  TRY(const JobStore store, JobStore::open_existing());
  TRY(const StoredJob job, store.find(id));
  const Host host = probe_host();
  Leaf leaf = leaf_of(host, job.record);
  auto workload =
      job.record.workload ? ProcessRef::open(*job.record.workload) : sys_error("opening process", "", ESRCH);
  const bool leftovers = !workload && !leaf.dirs.empty() && leaf.populated();
  // One that its recorder would start again is not over: told in time, it will not.
  const bool resting = !workload && job.record.restarts_itself && !job.result && job.record.observer &&
                       is_alive(*job.record.observer);
  if (!workload && !leftovers && !resting) {
    print_err("ffrtmp: job " + id + " has ended already\n");
    return 0;
  }
  wake_job(host, job);  // frozen, it would hear none of it
  // Said before it is done, so that whoever records the end knows who asked for it.
  if (auto dir = open_dir(AT_FDCWD, job.folder)) {
    const Json said = {{"at", rfc3339(wall_now())}, {"by_uid", ::getuid()}};
    (void)write_atomic(dir->get(), kStopFile, dump_json(said) + "\n");
  }
  if (resting) {
    constexpr int kNoticingMs = 5000;
    if (const auto observer = ProcessRef::open(*job.record.observer)) {
      pollfd gone{observer->pidfd(), POLLIN, 0};
      ::poll(&gone, 1, kNoticingMs);
    }
    print_err("ffrtmp: job " + id + " will not be started again\n");
    return 0;
  }
  if (leftovers) {
    TRY_OK(leaf.kill());
    constexpr Duration kExiting = std::chrono::seconds(2);
    if (leaf.wait_until_empty(kExiting)) (void)leaf.remove();
    print_err("ffrtmp: job " + id + ": ended what was left of it\n");
    return 0;
  }
  const std::string program = job.record.command.empty() ? "" : job.record.command[0];
  const StopTarget target{&*workload, &leaf,
                          !job.record.job_type.empty() || is_ffmpeg(program) || is_gstreamer(program)};
  TRY(const StopStep step, stop_workload(target, grace));
  if (step == StopStep::refused)
    return bad_input("some processes are in uninterruptible sleep and still run:", id);
  if (job.state == JobState::unobserved)
    (void)settle_unobserved(host, job, exit_status_of(workload->pidfd()));
  // Its observer may have been and gone while children were left in it. One that is still there reads the
  // job's counters first, and removes the leaf itself.
  constexpr int kSettlingMs = 2000;
  if (const auto observer =
          job.record.observer ? ProcessRef::open(*job.record.observer) : sys_error("", "", ESRCH)) {
    pollfd gone{observer->pidfd(), POLLIN, 0};
    ::poll(&gone, 1, kSettlingMs);
  }
  (void)leaf.remove();
  print_err("ffrtmp: job " + id + " " + std::string(stop_step_name(step)) + "\n");
  return 0;
}

}  // namespace

const Verb kStopVerb = {
    "stop",
    "JOB [--grace DUR]",
    "Stop a job: SIGINT, time to finish its file, SIGTERM, then the whole group.",
    {{"grace", 0, "DUR", "patience at each step (10s); longer while a file grows"}},
    "",
    stop_verb,
};

}  // namespace ffrtmp
