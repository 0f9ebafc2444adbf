#pragma once

#include <string>
#include <vector>

#include "sys/result.h"

namespace ffrtmp {

/// One option of a verb: the only place where its name, argument and help stand. The parser, --help and the
/// shell completions are all made from it.
struct OptionSpec {
  const char* name;   ///< long name without dashes
  char letter;        ///< short name or 0
  const char* value;  ///< what its argument is called; nullptr for a switch
  const char* help;
  bool repeatable = false;
};

/// What was given on a command line, by option name.
class Arguments {
 public:
  struct Given {
    std::string name;
    std::string value;
  };
  std::vector<Given> options;  ///< in the order of the command line
  std::vector<std::string> positionals;
  std::vector<std::string> command;  ///< what follows "--"
  bool has_command = false;          ///< "--" was there

  bool has(std::string_view name) const;
  /// The last value given, or "".
  std::string value(std::string_view name) const;
  std::vector<std::string> values(std::string_view name) const;
};

/// A verb of the command line. `run` returns the exit code; errors are printed in main, in one place.
struct Verb {
  const char* name;
  const char* usage;    ///< after "ffrtmp NAME"
  const char* summary;  ///< one line
  std::vector<OptionSpec> options;
  const char* notes;  ///< shown below the options; may be ""
  Result<int> (*run)(const Arguments&);
};

const std::vector<const Verb*>& verbs();

/// Parses (CLI11) what stands behind the verb's name. Unknown options are errors with a suggestion.
Result<Arguments> parse_arguments(const Verb& verb, const std::vector<std::string>& words);
std::string help_text(const Verb& verb);

/// The one argument that verbs about a job take.
Result<std::string> one_job(const Arguments& arguments);

extern const Verb kRunVerb, kJobVerb, kAttachVerb, kWatchVerb, kSetVerb, kPauseVerb, kResumeVerb, kDetachVerb,
    kPsVerb, kTopVerb, kStatusVerb, kWhyVerb, kWaitVerb, kLogsVerb, kStopVerb, kProfilesVerb,
    kCapabilitiesVerb, kDoctorVerb, kSelftestVerb, kNodeVerb, kCompletionVerb;

/// What `ffrtmp job` starts as its workload; see job_steps.cc.
Result<int> job_steps_verb();
/// What `ffrtmp selftest` starts as its workloads; `words` are what follows the hidden verb's name.
Result<int> selftest_dummy_verb(const std::vector<std::string>& words);

}  // namespace ffrtmp
