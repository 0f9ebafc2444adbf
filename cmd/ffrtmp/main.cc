#include <fcntl.h>
#include <signal.h>
#include <unistd.h>

#include <algorithm>
#include <cstdio>
#include <string>
#include <vector>

#include "fleet.h"
#include "print.h"
#include "sys/redact.h"
#include "sys/text.h"
#include "verb.h"

namespace ffrtmp {

const std::vector<const Verb*>& verbs() {
  static const std::vector<const Verb*> all = {
      &kRunVerb,      &kJobVerb,    &kAttachVerb,    &kWatchVerb,    &kDetachVerb,       &kSetVerb,
      &kPauseVerb,    &kResumeVerb, &kPsVerb,        &kTopVerb,      &kStatusVerb,       &kWhyVerb,
      &kWaitVerb,     &kLogsVerb,   &kStopVerb,      &kProfilesVerb, &kCapabilitiesVerb, &kDoctorVerb,
      &kSelftestVerb, &kNodeVerb,   &kCompletionVerb};
  return all;
}

namespace {

std::string front_page() {
  std::string out = "ffrtmp " FFRTMP_VERSION
                    " - runs FFmpeg and GStreamer inside resource limits, and owns nothing\n\n"
                    "  ffrtmp run --cpu-max 150% --memory-max 2G -- ffmpeg -i in.mp4 out.mp4\n"
                    "  ffrtmp attach --pid 4711 --cpu-max 150% --memory-max 2G\n\n";
  for (const Verb* verb : verbs()) {
    std::string left = std::string("  ") + verb->name;
    left.resize(14, ' ');
    out += left + verb->summary + "\n";
  }
  return out +
         "  jobs, nodes, keys, config, master   the fleet: jobs for a master, and its nodes\n"
         "\nffrtmp VERB --help tells the rest. Exit codes: the workload's own, 128+n for a signal, 124 time "
         "limit,\n"
         "125 ffrtmp's own, 126 not executable, 127 not found.\n";
}

Result<int> dispatch(const std::vector<std::string>& words) {
  if (words.empty()) {
    print_err(front_page());
    return static_cast<int>(ExitCode::ours);
  }
  const std::string& first = words[0];
  if (first == "--version" || first == "version" || first == "-V")
    return print_out("ffrtmp " FFRTMP_VERSION "\n");
  if (first == "--help" || first == "-h" || first == "help") {
    if (words.size() > 1)
      for (const Verb* verb : verbs())
        if (words[1] == verb->name) return print_out(help_text(*verb));
    return print_out(front_page());
  }
  if (first == "job-steps") return job_steps_verb();
  if (first == "selftest-dummy")
    return selftest_dummy_verb(std::vector<std::string>(words.begin() + 1, words.end()));
  for (const Verb* verb : verbs()) {
    if (first != verb->name) continue;
    const std::vector<std::string> rest(words.begin() + 1, words.end());
    for (const auto& word : rest) {
      if (word == "--") break;
      if (word == "--help" || word == "-h") return print_out(help_text(*verb));
    }
    TRY(const Arguments arguments, parse_arguments(*verb, rest));
    return verb->run(arguments);
  }
  if (std::ranges::find(fleet_verbs(), first) != fleet_verbs().end()) return fleet_verb(words);
  std::vector<std::string> names = fleet_verbs();
  for (const Verb* verb : verbs()) names.emplace_back(verb->name);
  const auto near = nearest(first, names);
  return bad_input("no such verb:", first, near ? "did you mean ffrtmp " + *near + "?" : "see ffrtmp --help");
}

}  // namespace

}  // namespace ffrtmp

int main(int argc, char** argv) {
  using namespace ffrtmp;
  // Started with closed standard streams, our own descriptors would take their numbers, and their fate.
  for (int fd = STDIN_FILENO; fd <= STDERR_FILENO; fd++)
    if (::fcntl(fd, F_GETFD) < 0 && errno == EBADF) (void)!::open("/dev/null", O_RDWR);
  // A closed pipe behind our stdout is an error of a write, not a death.
  ::signal(SIGPIPE, SIG_IGN);
  const auto code = dispatch(std::vector<std::string>(argv + (argc > 0), argv + argc));
  if (code) return *code;
  print_err("ffrtmp: " + redact_text(code.error().message()) + "\n");
  return static_cast<int>(code.error().exit);
}
