#include "doctor/doctor.h"

#include <unistd.h>

#include <algorithm>

#include "marks.h"
#include "print.h"
#include "sys/text.h"
#include "verb.h"

namespace ffrtmp {

namespace {

constexpr int kNotWell = 1;

std::string line_of(const Fact& fact, bool colour) {
  const Marks& sign = marks();
  const char* mark = fact.health == Health::good     ? sign.good
                     : fact.health == Health::lesser ? sign.lesser
                                                     : sign.bad;
  const char* tint = fact.health == Health::good     ? "\033[32m"
                     : fact.health == Health::lesser ? "\033[33m"
                                                     : "\033[31m";
  std::string subject = fact.subject;
  subject.resize(std::max<size_t>(subject.size() + 1, 13), ' ');
  std::string out = (colour ? tint : "") + std::string(mark) + (colour ? "\033[0m" : "") + " " + subject +
                    printable(fact.text) + "\n";
  for (const auto& command : fact.mend) out += "      $ " + printable(command) + "\n";
  return out;
}

Result<int> doctor_verb(const Arguments& arguments) {
  if (!arguments.positionals.empty() || arguments.has_command)
    return bad_input("ffrtmp doctor takes no argument:",
                     shell_quote(arguments.positionals.empty() ? arguments.command : arguments.positionals));
  const bool json = arguments.has("json"), colour = colour_on(STDOUT_FILENO);
  size_t lesser = 0, bad = 0;
  int printed = 0;
  Json facts = Json::array();
  examine(probe_host(), !arguments.has("quick"), [&](const Fact& fact) {
    lesser += fact.health == Health::lesser;
    bad += fact.health == Health::bad;
    if (json)
      facts.push_back(to_json(fact));
    else
      printed = std::max(printed, print_out(line_of(fact, colour)));
  });
  if (json)
    printed = print_out(dump_json({{"schema", 1}, {"well", bad == 0}, {"facts", facts}}, 1) + "\n");
  else if (printed == 0)
    printed = print_out(bad == 0 && lesser == 0 ? "everything is as it should be\n"
                        : bad == 0
                            ? "it works; " + std::to_string(lesser) + " of it with less than there could be\n"
                            : std::to_string(bad) + " to mend\n");
  if (printed != 0) return printed;
  return bad == 0 ? 0 : kNotWell;
}

}  // namespace

const Verb kDoctorVerb = {
    "doctor",
    "[--quick] [--json]",
    "Check what jobs need of this host, with the command that mends what is amiss.",
    {{"quick", 0, nullptr, "without trying every encoder"}, {"json", 0, nullptr, "for machines"}},
    "Changes nothing. A line with a cross is exit code 1; one with an exclamation mark works with less.\n",
    doctor_verb,
};

}  // namespace ffrtmp
