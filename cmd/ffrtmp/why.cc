#include "why/why.h"

#include "print.h"
#include "verb.h"

namespace ffrtmp {

namespace {

Result<Duration> read_window(const Arguments& arguments) {
  using namespace std::chrono_literals;
  if (!arguments.has("window")) return 2s;
  const auto window = parse_duration(arguments.value("window"));
  if (!window)
    return bad_input("--window: " + window.error().step, window.error().object, window.error().hint);
  constexpr Duration kShortest = 200ms, kLongest = 10min;
  if (*window < kShortest || *window > kLongest)
    return bad_input("--window:", "\"" + arguments.value("window") + "\"", "200ms to 10m");
  return *window;
}

Result<int> why_verb(const Arguments& arguments) {
  TRY(const std::string id, one_job(arguments));
  TRY(const Duration window, read_window(arguments));
  TRY(const JobStore store, JobStore::open_existing());
  TRY(const StoredJob job, store.find(id));
  TRY(const WhyReport report, why(probe_host(), store, job, window));
  return print_out(arguments.has("json") ? dump_json(to_json(report), 1) + "\n" : why_text(report));
}

}  // namespace

const Verb kWhyVerb = {
    "why",
    "JOB [--json]",
    "Say why a job ended, or what holds it back and what would have sufficed.",
    {{"window", 0, "DUR", "how long to watch a running job (2s)"}, {"json", 0, nullptr, "for machines"}},
    "A running job is watched for two seconds; nothing is changed. What is not certain is called likely.\n",
    why_verb,
};

}  // namespace ffrtmp
