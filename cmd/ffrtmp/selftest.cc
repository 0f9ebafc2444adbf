#include "selftest/selftest.h"

#include <unistd.h>

#include <algorithm>
#include <climits>

#include "marks.h"
#include "print.h"
#include "selftest/dummy.h"
#include "sys/file.h"
#include "sys/text.h"
#include "verb.h"

namespace ffrtmp {

namespace {

constexpr int kDoesNotBite = 1;

std::string line_of(const Trial& trial, bool colour) {
  using enum Trial::Verdict;
  const Marks& sign = marks();
  const char* mark = trial.verdict == bites ? sign.good : trial.verdict == fails ? sign.bad : sign.none;
  const char* tint = trial.verdict == bites ? "\033[32m" : trial.verdict == fails ? "\033[31m" : "\033[2m";
  const std::string what = trial.limit + (trial.asked.empty() ? "" : " " + trial.asked);
  return (colour ? tint : "") + std::string(mark) + (colour ? "\033[0m" : "") + " " + printable(what) + ": " +
         printable(trial.text) + "\n";
}

Result<int> selftest_verb(const Arguments& arguments) {
  if (!arguments.positionals.empty() || arguments.has_command)
    return bad_input("ffrtmp selftest takes no argument:",
                     shell_quote(arguments.positionals.empty() ? arguments.command : arguments.positionals));
  TRY(const std::string self, own_program());
  const bool json = arguments.has("json"), colour = colour_on(STDOUT_FILENO);
  size_t bite = 0, fail = 0, absent = 0;
  int printed = 0;
  Json trials = Json::array();
  TRY_OK(run_selftest(self, [&](const Trial& trial) {
    bite += trial.verdict == Trial::Verdict::bites;
    fail += trial.verdict == Trial::Verdict::fails;
    absent += trial.verdict == Trial::Verdict::absent;
    if (json)
      trials.push_back(to_json(trial));
    else
      printed = std::max(printed, print_out(line_of(trial, colour)));
  }));
  if (json)
    printed = print_out(dump_json({{"schema", 1}, {"passed", fail == 0}, {"limits", trials}}, 1) + "\n");
  else if (printed == 0)
    printed = print_out(std::to_string(bite) + " limits bite, " + std::to_string(fail) + " do not, " +
                        std::to_string(absent) + " not to be had or told here\n");
  if (printed != 0) return printed;
  return fail == 0 ? 0 : kDoesNotBite;
}

}  // namespace

Result<int> selftest_dummy_verb(const std::vector<std::string>& words) { return run_dummy(words); }

const Verb kSelftestVerb = {
    "selftest",
    "[--json]",
    "Start a dummy inside each limit, here and now, and measure that it bites.",
    {{"json", 0, nullptr, "for machines"}},
    "Takes some seconds and a few megabytes, and leaves nothing. Exit code 1: a limit that was said to be "
    "in\n"
    "force did not hold.\n",
    selftest_verb,
};

}  // namespace ffrtmp
