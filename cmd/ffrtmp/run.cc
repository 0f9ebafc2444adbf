#include "jobs/run.h"

#include "jobs/exit_meaning.h"
#include "run_options.h"
#include "sys/text.h"
#include "verb.h"

namespace ffrtmp {

namespace {

Result<RunRequest> read_request(const Arguments& arguments) {
  if (!arguments.positionals.empty())
    return bad_input("put the command after --, as in",
                     "ffrtmp run -- " + shell_quote(arguments.positionals));
  if (arguments.command.empty())
    return bad_input("no command", "", "ffrtmp run [options] -- COMMAND [ARG...]");
  TRY(RunRequest out, read_run_options(arguments, arguments.command));
  out.progress = arguments.has("progress");
  if (out.progress && !is_ffmpeg(out.argv[0]))
    return bad_input("--progress adds options to an ffmpeg command; this is", program_name(out.argv[0]),
                     "leave it out");
  return out;
}

Result<int> run_verb(const Arguments& arguments) {
  TRY(const RunRequest request, read_request(arguments));
  RunPrinter printer(arguments.has("quiet"), arguments.has("json"), request.mode);
  return run_job(request, printer);
}

}  // namespace

const Verb kRunVerb = {
    "run",
    "[options] -- COMMAND [ARG...]",
    "Start a command inside limits; it goes on whatever happens to ffrtmp.",
    with_run_options({
        {"exec", 0, nullptr, "set up, then become the command: no wrapper remains"},
        {"progress", 0, nullptr, "have ffmpeg write its progress for ps and status"},
    }),
    "",
    run_verb,
};

}  // namespace ffrtmp
