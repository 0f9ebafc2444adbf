#include "jobs/adoption.h"
#include "limit_options.h"
#include "print.h"
#include "verb.h"

namespace ffrtmp {

namespace {

Result<int> set_verb(const Arguments& arguments) {
  TRY(const std::string id, one_job(arguments));
  ChangeRequest request;
  TRY(request.limits, read_limits(arguments));
  TRY(request.required, read_required(arguments, request.limits));
  request.force = arguments.has("force");
  if (request.limits.empty())
    return bad_input("which limit?", "", "such as ffrtmp set " + id + " --cpu-max 200%");
  PlanRequest plan;
  plan.limits = request.limits;
  plan.move = arguments.has("move");
  TRY(plan.placement, read_placement(arguments));
  TRY(const JobStore store, JobStore::open_existing());
  TRY(const Record record, change_job(probe_host(), store, id, request, plan));
  if (!arguments.has("quiet")) print_err(receipt_text(record, colour_on(STDERR_FILENO)));
  if (arguments.has("json"))
    return print_out(dump_json({{"schema", 1}, {"job_id", id}, {"receipt", to_json(record.receipt)}}) + "\n");
  return 0;
}

std::vector<OptionSpec> set_options() {
  return with_limit_options(
      {}, {
              {"move", 0, nullptr, "as for attach, where the job has no cgroup yet"},
              {"force", 0, nullptr, "a memory maximum below the present use is set all the same"},
              {"json", 0, nullptr, "the receipt as JSON on stdout"},
              {"quiet", 'q', nullptr, "no receipt on stderr"},
          });
}

}  // namespace

const Verb kSetVerb = {
    "set",
    "JOB [limits]",
    "Change limits of a running job, started or attached; memory is lowered without a kill.",
    set_options(),
    "What is not named stays. On an error everything is as it was before.\n",
    set_verb,
};

}  // namespace ffrtmp
