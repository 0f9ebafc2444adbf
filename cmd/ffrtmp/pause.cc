#include "jobs/adoption.h"
#include "print.h"
#include "verb.h"

namespace ffrtmp {

namespace {

Result<int> pause_or_resume(const Arguments& arguments, bool paused) {
  TRY(const std::string id, one_job(arguments));
  TRY(const JobStore store, JobStore::open_existing());
  TRY_OK(pause_job(probe_host(), store, id, paused));
  print_err("ffrtmp: job " + id + (paused ? " is paused (ffrtmp resume " + id + ")\n" : " goes on\n"));
  return 0;
}

Result<int> pause_verb(const Arguments& arguments) { return pause_or_resume(arguments, true); }
Result<int> resume_verb(const Arguments& arguments) { return pause_or_resume(arguments, false); }

}  // namespace

const Verb kPauseVerb = {
    "pause",
    "JOB",
    "Freeze a job: no process of it runs until ffrtmp resume. A live stream will lose its peer.",
    {},
    "stop and detach wake it first.\n",
    pause_verb,
};

const Verb kResumeVerb = {
    "resume", "JOB", "Let a paused job go on.", {}, "", resume_verb,
};

}  // namespace ffrtmp
