#include "fuzz.h"
#include "watch/match.h"

using namespace ffrtmp;

/// A rule file is somebody's typing: it is read or refused with a place, never more.
extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  const std::string text(fuzz::text(data, size));
  const auto parsed = parse_watch(text, "fuzzed.toml");
  if (const WatchConfig* config = fuzz::value(parsed)) {
    MUST(!config->rules.empty());
    MUST(!config->scan_interval || config->scan_interval->count() > 0);
    for (const auto& rule : config->rules) {
      MUST(!rule.name.empty() && !rule.targets.empty() && !describe(rule).empty());
      MUST(rule.users.empty() == rule.uids.empty());
      for (const auto& target : rule.targets) MUST(glob_matches("*", target));
      for (const auto& folder : rule.directories) MUST(folder.starts_with("/"));
    }
    Candidate candidate;
    candidate.executable = config->rules.front().targets.front();
    const WatchRule* found = match(config->rules, candidate);
    MUST(!found || wanted(config->rules, candidate.executable));
  } else {
    MUST(parsed.error().step.starts_with("fuzzed.toml:"));
  }
  // The text as a pattern and as what it is held against.
  const size_t half = text.find('\n');
  if (half != std::string::npos) (void)glob_matches(text.substr(0, half), text.substr(half + 1));
  return 0;
}
