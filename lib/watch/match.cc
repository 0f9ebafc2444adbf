#include "watch/match.h"

#include <algorithm>

namespace ffrtmp {

bool glob_matches(std::string_view pattern, std::string_view text) {
  // The last star may take one character more whenever what follows it does not fit: no recursion, and at
  // most pattern times text steps.
  size_t p = 0, t = 0, star = std::string_view::npos, taken = 0;
  while (t < text.size()) {
    if (p < pattern.size() && pattern[p] == '*') {
      star = p++;
      taken = t;
    } else if (p < pattern.size() && (pattern[p] == '?' || pattern[p] == text[t])) {
      p++, t++;
    } else if (star != std::string_view::npos) {
      p = star + 1;
      t = ++taken;
    } else {
      return false;
    }
  }
  while (p < pattern.size() && pattern[p] == '*') p++;
  return p == pattern.size();
}

std::string executable_name(const std::string& link) {
  constexpr std::string_view kDeleted = " (deleted)";
  std::string_view name = link;
  // Replaced by an upgrade while it runs.
  if (name.ends_with(kDeleted)) name.remove_suffix(kDeleted.size());
  return std::string(name.substr(name.rfind('/') + 1));
}

namespace {

bool one_matches(const std::vector<std::string>& patterns, std::string_view text) {
  return std::ranges::any_of(patterns,
                             [&](const std::string& pattern) { return glob_matches(pattern, text); });
}
/// A list that is empty asks for nothing.
bool met(const std::vector<std::string>& patterns, const std::vector<std::string>& texts) {
  return patterns.empty() ||
         std::ranges::any_of(texts, [&](const std::string& text) { return one_matches(patterns, text); });
}

bool below(std::string_view folder, std::string_view path) {
  if (folder == "/") return path.starts_with("/");
  return path.starts_with(folder) && (path.size() == folder.size() || path[folder.size()] == '/');
}

bool matches(const WatchRule& rule, const Candidate& candidate) {
  return one_matches(rule.targets, candidate.executable) && (rule.containers || !candidate.container) &&
         (rule.uids.empty() || rule.uids.contains(candidate.uid)) && met(rule.parents, candidate.above) &&
         met(rule.cgroups, candidate.cgroups) &&
         (rule.directories.empty() ||
          std::ranges::any_of(rule.directories,
                              [&](const auto& folder) { return below(folder, candidate.directory); })) &&
         met(rule.commands, {candidate.command});
}

}  // namespace

bool wanted(const std::vector<WatchRule>& rules, std::string_view executable) {
  return std::ranges::any_of(rules,
                             [&](const WatchRule& rule) { return one_matches(rule.targets, executable); });
}

const WatchRule* match(const std::vector<WatchRule>& rules, const Candidate& candidate) {
  const auto found =
      std::ranges::find_if(rules, [&](const WatchRule& rule) { return matches(rule, candidate); });
  return found == rules.end() ? nullptr : &*found;
}

}  // namespace ffrtmp
