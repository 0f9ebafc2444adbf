#include "jobs/adoption.h"
#include "print.h"
#include "sys/text.h"
#include "verb.h"

namespace ffrtmp {

namespace {

Result<int> detach_verb(const Arguments& arguments) {
  TRY(const std::string id, one_job(arguments));
  TRY(const JobStore store, JobStore::open_existing());
  TRY(const RestoreReport report, release(probe_host(), store, id, arguments.has("force")));
  if (!arguments.has("quiet")) {
    std::string text = "ffrtmp: job " + id + " detached" +
                       (report.restored.empty() ? ": there was nothing to put back\n" : "\n");
    for (const auto& each : report.restored) text += "  " + printable(each) + "\n";
    for (const auto& each : report.left) text += "! " + printable(each) + "\n";
    print_err(text);
  }
  if (report.left.empty()) return 0;
  return bad_input("not everything could be put back:", report.left.front(),
                   report.left.size() > 1 ? "and " + std::to_string(report.left.size() - 1) + " more" : "");
}

}  // namespace

const Verb kDetachVerb = {
    "detach",
    "JOB [--force]",
    "Put an attached process back as it was: cgroup, limits, priorities. It goes on.",
    {{"force", 0, nullptr, "also what others have changed since, and maxima below the present use"},
     {"quiet", 'q', nullptr, "do not tell what was put back"}},
    "125 when something could not be put back, or others have changed it (nothing is done then).\n",
    detach_verb,
};

}  // namespace ffrtmp
