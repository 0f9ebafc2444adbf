#include "print.h"
#include "verb.h"

namespace ffrtmp {

namespace {

std::string verb_names() {
  std::string out;
  for (const Verb* verb : verbs()) out += (out.empty() ? "" : " ") + std::string(verb->name);
  return out;
}

std::string option_names(const Verb& verb) {
  std::string out = "--help";
  for (const auto& option : verb.options) out += std::string(" --") + option.name;
  return out;
}

/// Verbs whose argument is a job.
bool takes_job(const Verb& verb) { return std::string(verb.usage).starts_with("JOB"); }

std::string bash_script() {
  std::string out =
      "# bash completion for ffrtmp\n"
      "_ffrtmp() {\n"
      "  local cur=${COMP_WORDS[COMP_CWORD]} verb=${COMP_WORDS[1]} i\n"
      "  COMPREPLY=()\n"
      "  if [ \"$COMP_CWORD\" -eq 1 ]; then\n"
      "    COMPREPLY=($(compgen -W '" +
      verb_names() +
      "' -- \"$cur\")); return\n"
      "  fi\n"
      "  for ((i = 2; i < COMP_CWORD; i++)); do\n"
      "    if [ \"${COMP_WORDS[i]}\" = -- ]; then _command_offset $((i + 1)) 2>/dev/null; return; fi\n"
      "  done\n"
      "  case $verb in\n";
  for (const Verb* verb : verbs()) {
    out += std::string("    ") + verb->name + ")\n      case $cur in\n        -*) COMPREPLY=($(compgen -W '" +
           option_names(*verb) + "' -- \"$cur\")) ;;\n";
    if (takes_job(*verb))
      out +=
          "        *) COMPREPLY=($(compgen -W \"$(ffrtmp ps --all 2>/dev/null | awk 'NR > 1 {print $1}')\" "
          "-- \"$cur\")) ;;\n";
    out += "      esac ;;\n";
  }
  return out + "  esac\n}\ncomplete -o default -F _ffrtmp ffrtmp\n";
}

std::string quoted(const std::string& text) {
  std::string out;
  for (const char c : text) out += c == '\'' ? "'\\''" : std::string(1, c);
  return out;
}

std::string zsh_script() {
  std::string out = "#compdef ffrtmp\n_ffrtmp() {\n  local -a verbs\n  verbs=(\n";
  for (const Verb* verb : verbs())
    out += std::string("    '") + verb->name + ":" + quoted(verb->summary) + "'\n";
  out +=
      "  )\n  if (( CURRENT == 2 )); then _describe verb verbs; return; fi\n  local sep=${words[(i)--]}\n"
      "  if (( sep < CURRENT )); then shift sep words; (( CURRENT -= sep )); _normal; return; fi\n  case "
      "${words[2]} in\n";
  for (const Verb* verb : verbs()) {
    out += std::string("    ") + verb->name + ") _arguments";
    for (const auto& option : verb->options) {
      std::string help = quoted(option.help);
      for (size_t at = 0; (at = help.find_first_of("[]:", at)) != std::string::npos; at += 2)
        help.insert(at, "\\");
      out += std::string(" '") + (option.repeatable ? "*" : "") + "--" + option.name + "[" + help + "]" +
             (option.value ? ":value:_files" : "") + "'";
    }
    if (takes_job(*verb))
      out += " '*:job:($(ffrtmp ps --all 2>/dev/null | awk '\\''NR > 1 {print $1}'\\''))'";
    out += " ;;\n";
  }
  // Sourced, it registers itself; found in fpath, it is the body of the function, called for the first time.
  return out +
         "  esac\n}\nif [[ ${funcstack[1]} == _ffrtmp ]]; then _ffrtmp \"$@\"; else compdef _ffrtmp ffrtmp; "
         "fi\n";
}

std::string fish_script() {
  std::string out = "# fish completion for ffrtmp\ncomplete -c ffrtmp -f -n __fish_use_subcommand\n";
  for (const Verb* verb : verbs()) {
    out += std::string("complete -c ffrtmp -f -n __fish_use_subcommand -a ") + verb->name + " -d '" +
           quoted(verb->summary) + "'\n";
    for (const auto& option : verb->options)
      out += std::string("complete -c ffrtmp -n '__fish_seen_subcommand_from ") + verb->name + "' -l " +
             option.name + (option.value ? " -r" : "") + " -d '" + quoted(option.help) + "'\n";
    if (takes_job(*verb))
      out += std::string("complete -c ffrtmp -f -n '__fish_seen_subcommand_from ") + verb->name +
             "' -a \"(ffrtmp ps --all 2>/dev/null | awk 'NR > 1 {print \\$1}')\"\n";
  }
  return out;
}

Result<int> completion_verb(const Arguments& arguments) {
  const std::string shell = arguments.positionals.size() == 1 ? arguments.positionals[0] : "";
  if (shell == "bash") return print_out(bash_script());
  if (shell == "zsh") return print_out(zsh_script());
  if (shell == "fish") return print_out(fish_script());
  return bad_input("for which shell?", shell, "ffrtmp completion bash, zsh or fish");
}

}  // namespace

const Verb kCompletionVerb = {
    "completion",
    "bash|zsh|fish",
    "Print a completion script for a shell.",
    {},
    "  source <(ffrtmp completion bash)\n",
    completion_verb,
};

}  // namespace ffrtmp
