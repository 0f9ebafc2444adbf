#include <unistd.h>

#include <cstdlib>

#include "limit_options.h"
#include "print.h"
#include "sys/redact.h"
#include "sys/text.h"
#include "verb.h"
#include "watch/watcher.h"

namespace ffrtmp {

namespace {

/// Lists may be given with commas, and more than once.
std::vector<std::string> list_of(const Arguments& arguments, std::string_view name) {
  std::vector<std::string> out;
  for (const auto& value : arguments.values(name))
    for (const auto part : split(value, ','))
      if (const auto text = trim(part); !text.empty()) out.emplace_back(text);
  return out;
}

Result<std::optional<Duration>> duration_of(const Arguments& arguments, const std::string& name) {
  if (!arguments.has(name)) return std::optional<Duration>();
  auto parsed = parse_duration(arguments.value(name));
  if (!parsed) return bad_input("--" + name + ":", parsed.error().message());
  return std::optional<Duration>(*parsed);
}

/// The rule that the flags make, or none without --target.
Result<std::optional<WatchRule>> rule_of(const Arguments& arguments) {
  WatchRule out;
  out.name = "flags";
  out.targets = list_of(arguments, "target");
  TRY(out.limits, read_limits(arguments));
  if (out.targets.empty()) {
    for (const char* name : {"user", "parent", "cgroup", "directory", "command", "min-age", "containers"})
      if (arguments.has(name) || !out.limits.empty())
        return bad_input("for which programs?", "", "the rule that flags make needs --target");
    return std::optional<WatchRule>();
  }
  for (const auto& target : out.targets)
    if (target.find('/') != std::string::npos)
      return bad_input("--target is a path:", target, "give the executable's file name alone");
  out.users = list_of(arguments, "user");
  TRY(out.uids, uids_of(out.users));
  out.parents = list_of(arguments, "parent");
  out.cgroups = list_of(arguments, "cgroup");
  out.directories = arguments.values("directory");
  for (auto& folder : out.directories) {
    if (!folder.starts_with("/")) return bad_input("--directory is not an absolute path:", folder);
    while (folder.size() > 1 && folder.back() == '/') folder.pop_back();
  }
  out.commands = arguments.values("command");
  TRY(const auto age, duration_of(arguments, "min-age"));
  out.min_age = age.value_or(Duration(0));
  out.containers = arguments.has("containers");
  out.profile = arguments.value("profile");
  TRY(out.required, read_required(arguments, out.limits));
  TRY(out.placement, read_placement(arguments));
  return std::optional<WatchRule>(std::move(out));
}

std::string usual_config() {
  if (::geteuid() == 0) return "/etc/ffrtmp/watch.toml";
  const char* home = ::getenv("HOME");
  return home && home[0] == '/' ? std::string(home) + "/.config/ffrtmp/watch.toml" : "";
}

/// The rules as they are now: those of the flags first, then the file's.
Result<WatchConfig> load_rules(const Arguments& arguments) {
  WatchConfig out;
  TRY(auto own, rule_of(arguments));
  const std::string path = arguments.has("config") ? arguments.value("config") : usual_config();
  if (arguments.has("config") || (!path.empty() && ::access(path.c_str(), F_OK) == 0)) {
    TRY(out, load_watch(path));
  } else if (!own) {
    return bad_input("there are no rules:", "neither --target nor a file " + path, "see ffrtmp watch --help");
  }
  if (own) out.rules.insert(out.rules.begin(), std::move(*own));
  TRY(const auto interval, duration_of(arguments, "scan-interval"));
  if (interval) out.scan_interval = interval;
  return out;
}

Result<int> check_file(const std::string& path) {
  TRY(const WatchConfig config, load_watch(path));
  std::string out =
      path + ": " + std::to_string(config.rules.size()) + (config.rules.size() == 1 ? " rule\n" : " rules\n");
  for (const auto& rule : config.rules) out += "  " + printable(describe(rule)) + "\n";
  return print_out(out);
}

Result<int> watch_verb(const Arguments& arguments) {
  if (!arguments.positionals.empty() || arguments.has_command)
    return bad_input("ffrtmp watch takes no argument of its own:",
                     arguments.positionals.empty() ? "--" : arguments.positionals[0],
                     "say --target NAME, or --config FILE");
  if (arguments.has("check")) return check_file(arguments.value("check"));
  const bool quiet = arguments.has("quiet");
  WatchRequest request;
  request.load = [&] { return load_rules(arguments); };
  request.dry_run = arguments.has("dry-run");
  request.once = arguments.has("once");
  WatchOutput output;
  output.log = [](const std::string& line) { print_err("ffrtmp: " + redact_text(line) + "\n"); };
  output.found = [&](const std::string& line) {
    if (!quiet || request.dry_run) print_out(printable(redact_text(line)) + "\n");
  };
  output.settled = [&](const AdoptedJob& job, const Settled& end) {
    // Of those that are let go of, one line tells.
    if (!quiet && !end.result.is_null()) print_err(ending_text(job.record, end.ending, end.verdict));
  };
  // What is wrong with the rules is told before anything is made.
  if (auto rules = request.load(); !rules) return std::unexpected(rules.error());
  const Host host = probe_host();
  TRY(const JobStore store, JobStore::open());
  return watch(host, store, request, output);
}

std::vector<OptionSpec> watch_options() {
  return with_limit_options(
      {
          {"config", 'c', "FILE", "the rules (/etc/ffrtmp/watch.toml, ~/.config/ffrtmp/watch.toml)"},
          {"check", 0, "FILE", "read a file of rules, say what is wrong with it, and stop"},
          {"dry-run", 'n', nullptr, "say which process would come under which rule; adopt none"},
          {"once", 0, nullptr, "adopt what runs now, and leave; nobody waits for its end"},
          {"scan-interval", 0, "TIME", "look at all that runs so often (5s where the kernel does not tell)"},
          {"quiet", 'q', nullptr, "only what went wrong"},
          {"target", 't', "NAME,..", "makes a rule of these flags: executables (their file names; * and ?)",
           true},
          {"user", 0, "NAME,..", "only of these users", true},
          {"parent", 0, "NAME,..", "only below a process of such a name", true},
          {"cgroup", 0, "PATH,..", "only in such a cgroup", true},
          {"directory", 0, "PATH", "only with a working directory there or below", true},
          {"command", 0, "TEXT", "only with such a command line (*rtmp://*)", true},
          {"min-age", 0, "TIME", "not before it has run so long"},
          {"containers", 0, nullptr, "also in containers"},
      },
      {});
}

}  // namespace

const Verb kWatchVerb = {
    "watch",
    "[--config FILE] [--target NAME [options]]",
    "Adopt what runs and what starts, by rules; each process comes under its rule's limits.",
    watch_options(),
    "SIGHUP loads the rules anew. Any other signal lets go: the limits stay, and the next watch takes the "
    "jobs\nup again. Rules are tried in order, that of the flags first (docs/WATCH.md).\n",
    watch_verb,
};

}  // namespace ffrtmp
