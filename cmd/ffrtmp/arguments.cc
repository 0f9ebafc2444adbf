#include <CLI/CLI.hpp>
#include <algorithm>
#include <span>

#include "sys/text.h"
#include "verb.h"

namespace ffrtmp {

bool Arguments::has(std::string_view name) const {
  return std::ranges::find(options, name, &Given::name) != options.end();
}

std::string Arguments::value(std::string_view name) const {
  const auto all = values(name);
  return all.empty() ? "" : all.back();
}

std::vector<std::string> Arguments::values(std::string_view name) const {
  std::vector<std::string> out;
  for (const auto& given : options)
    if (given.name == name) out.push_back(given.value);
  return out;
}

namespace {

Error unknown_option(const Verb& verb, const std::string& word) {
  std::vector<std::string> names;
  for (const auto& option : verb.options) names.push_back(std::string("--") + option.name);
  const auto near = nearest(word.substr(0, word.find('=')), names);
  return {"unknown option of ffrtmp " + std::string(verb.name) + ":", word, 0,
          near ? "did you mean " + *near + "?" : "see ffrtmp " + std::string(verb.name) + " --help",
          ExitCode::ours};
}

/// Whether the words before "--" may mean this option. Only such options are declared to CLI11: declaring all
/// of them took half of the instructions of a whole launch.
bool mentioned(const OptionSpec& spec, std::span<const std::string> words) {
  const std::string name = std::string("--") + spec.name;
  return std::ranges::any_of(words, [&](const std::string& word) {
    if (word.starts_with(name) && (word.size() == name.size() || word[name.size()] == '=')) return true;
    return spec.letter && word.starts_with("-") && !word.starts_with("--") && word.contains(spec.letter);
  });
}

}  // namespace

Result<Arguments> parse_arguments(const Verb& verb, const std::vector<std::string>& words) {
  Arguments out;
  // Everything behind the first "--" is the workload's, whatever it looks like.
  const auto dashes = std::ranges::find(words, "--");
  out.has_command = dashes != words.end();
  if (out.has_command) out.command.assign(dashes + 1, words.end());

  CLI::App app;
  app.set_help_flag("");
  app.allow_extras();
  for (const auto& spec : verb.options) {
    if (!mentioned(spec, {words.begin(), dashes})) continue;
    const std::string name = spec.name;
    const std::string flags = (spec.letter ? std::string("-") + spec.letter + "," : "") + "--" + name;
    if (!spec.value) {
      app.add_flag_function(flags, [&out, name](int64_t) { out.options.push_back({name, ""}); });
      continue;
    }
    // Values are kept as text: each has a parser of its own that says what would do.
    app.add_option_function<std::vector<std::string>>(flags,
                                                      [&out, name](const std::vector<std::string>& values) {
                                                        for (const auto& value : values)
                                                          out.options.push_back({name, value});
                                                      })
        ->expected(1)
        ->allow_extra_args(false)  // a vector would take the words behind it as well
        ->multi_option_policy(spec.repeatable ? CLI::MultiOptionPolicy::TakeAll
                                              : CLI::MultiOptionPolicy::TakeLast);
  }
  std::vector<std::string> reversed(words.begin(), dashes);
  std::ranges::reverse(reversed);  // as CLI11 wants it
  try {
    app.parse(reversed);
  } catch (const CLI::ParseError& error) {
    return bad_input("ffrtmp " + std::string(verb.name) + ":", error.what(),
                     "see ffrtmp " + std::string(verb.name) + " --help");
  }
  for (const auto& word : app.remaining()) {
    if (word.size() > 1 && word[0] == '-') return std::unexpected(unknown_option(verb, word));
    out.positionals.push_back(word);
  }
  return out;
}

std::string help_text(const Verb& verb) {
  std::string out = std::string("ffrtmp ") + verb.name +
                    (verb.usage[0] ? std::string(" ") + verb.usage : "") + "\n" + verb.summary + "\n\n";
  constexpr size_t kColumn = 30;
  for (const auto& option : verb.options) {
    std::string left = option.letter ? std::string("  -") + option.letter + ", --" : "  --";
    left += std::string(option.name) + (option.value ? std::string(" ") + option.value : "");
    left.resize(std::max(left.size() + 1, kColumn), ' ');
    out += left + option.help + "\n";
  }
  if (verb.notes[0]) out += std::string(verb.options.empty() ? "" : "\n") + verb.notes;
  return out;
}

Result<std::string> one_job(const Arguments& arguments) {
  std::vector<std::string> jobs = arguments.positionals;
  jobs.insert(jobs.end(), arguments.command.begin(), arguments.command.end());
  if (jobs.size() == 1) return jobs[0];
  if (jobs.empty()) return bad_input("which job?", "", "ffrtmp ps lists them");
  return bad_input("one job at a time, not", shell_quote(jobs));
}

}  // namespace ffrtmp
