#include "limit_options.h"

#include <algorithm>

#include "jobs/profile.h"
#include "sys/text.h"

namespace ffrtmp {

namespace {

/// Options that say a limit in another way than their own name.
struct Spelling {
  const char* option;
  LimitKind kind;
  Result<LimitValue> (*parse)(std::string_view);
};
template <auto Parse>
Result<LimitValue> as_value(std::string_view text) {
  auto parsed = Parse(text);
  if (!parsed) return std::unexpected(parsed.error());
  return LimitValue(*parsed);
}
constexpr Spelling kSpellings[] = {
    {"cpus", LimitKind::cpu_max, as_value<parse_cpus>},
    {"cpu-quota", LimitKind::cpu_max, as_value<parse_cpu_quota_percent>},
    {"memory-limit", LimitKind::memory_max, as_value<parse_megabytes>},
};

/// Which limit an option sets, and its value; nullopt for options that set none.
Result<std::optional<Limit>> limit_of(const Arguments::Given& given) {
  const auto named = [&](auto parsed, LimitKind kind) -> Result<std::optional<Limit>> {
    if (!parsed) {
      Error error = parsed.error();
      error.step = "--" + given.name + ": " + error.step;
      return std::unexpected(error);
    }
    return Limit{kind, *std::move(parsed), "--" + given.name};
  };
  for (const auto& spelling : kSpellings)
    if (given.name == spelling.option) return named(spelling.parse(given.value), spelling.kind);
  if (const auto kind = limit_kind(given.name); kind && limit_flag(*kind) == given.name)
    return named(parse_limit(*kind, given.value), *kind);
  return std::nullopt;
}

}  // namespace

Result<std::vector<Limit>> read_limits(const Arguments& arguments) {
  std::vector<Limit> out;
  if (arguments.has("profile")) {
    TRY(Profile profile, find_profile(arguments.value("profile")));
    out = std::move(profile.limits);
  }
  std::vector<Limit> flags;
  for (const auto& given : arguments.options) {
    TRY(auto limit, limit_of(given));
    if (!limit) continue;
    for (const auto& other : flags) {
      if (other.kind != limit->kind) continue;
      // One limit a disk.
      const bool other_disk = limit->kind == LimitKind::io_max &&
                              std::get<IoMax>(other.value).device != std::get<IoMax>(limit->value).device;
      if (!other_disk)
        return bad_input(other.origin + " and " + limit->origin + " say the same thing", "",
                         "give one of them");
    }
    flags.push_back(std::move(*limit));
  }
  for (const auto& flag : flags)
    std::erase_if(out, [&](const Limit& limit) { return limit.kind == flag.kind; });
  out.insert(out.end(), flags.begin(), flags.end());
  std::ranges::stable_sort(out, {}, &Limit::kind);
  return out;
}

Result<std::set<LimitKind>> read_required(const Arguments& arguments, const std::vector<Limit>& limits) {
  std::set<LimitKind> asked, out;
  for (const auto& limit : limits) asked.insert(limit.kind);
  for (const auto& list : arguments.values("require"))
    for (const std::string_view name : split(list, ',')) {
      if (name == "all") {
        out.insert(asked.begin(), asked.end());
        continue;
      }
      const auto kind = limit_kind(trim(name));
      if (!kind) {
        std::vector<std::string> names;
        for (const LimitKind each : kLimitKinds) names.emplace_back(limit_name(each));
        return bad_input("--require: no such limit:", "\"" + std::string(name) + "\"",
                         "there are all, " + join(names, ", "));
      }
      if (!asked.contains(*kind))
        return bad_input("--require names a limit that is not asked for:", std::string(name),
                         "give --" + std::string(limit_flag(*kind)));
      out.insert(*kind);
    }
  return out;
}

Result<PlacementRequest> read_placement(const Arguments& arguments) {
  PlacementRequest out;
  const std::string mode = arguments.value("placement");
  if (mode == "systemd")
    out.mode = PlacementMode::systemd;
  else if (mode == "cgroup")
    out.mode = PlacementMode::cgroup;
  else if (mode == "none")
    out.mode = PlacementMode::none;
  else if (arguments.has("placement") && mode != "auto")
    return bad_input("--placement:", "\"" + mode + "\"", "give auto, systemd, cgroup or none");
  if (arguments.has("cgroup-parent")) {
    out.parent = arguments.value("cgroup-parent");
    const auto parts = split(*out.parent, '/');
    if (out.parent->empty() || std::ranges::find(parts, "..") != parts.end())
      return bad_input("--cgroup-parent:", "\"" + *out.parent + "\"",
                       "give the path of a cgroup, without ..");
  }
  return out;
}

std::vector<OptionSpec> with_limit_options(std::vector<OptionSpec> before,
                                           const std::vector<OptionSpec>& after) {
  // In a function: the verbs' own tables are made from it before main, in no known order.
  const std::vector<OptionSpec> limits = {
      {"cpu-max", 0, "150%|\"Q P\"", "CPU quota: percent of one CPU, or microseconds per period"},
      {"cpus", 0, "N", "the same in CPUs (1.5)"},
      {"cpu-quota", 0, "PERCENT", "the same, 100 is one CPU"},
      {"cpu-weight", 0, "1-10000", "CPU share under contention; everybody has 100"},
      {"cpuset", 0, "LIST", "CPUs it may use (0-3,8)"},
      {"memory-max", 0, "SIZE", "memory limit; beyond it the kernel kills (512M, 2G)"},
      {"memory-limit", 0, "MB", "the same in megabytes"},
      {"memory-high", 0, "SIZE", "from here on it is slowed down and reclaimed"},
      {"swap-max", 0, "SIZE", "swap limit; 0 is no swap"},
      {"io-max", 0, "\"DISK RATES\"", "\"/data rbps=20M wbps=10M riops=.. wiops=..\"; repeatable", true},
      {"io-weight", 0, "1-10000", "disk share under contention (needs BFQ or iocost)"},
      {"pids-max", 0, "N", "most processes and threads"},
      {"nice", 0, "-20..19", "scheduling priority"},
      {"ionice", 0, "CLASS[:LEVEL]", "idle, best-effort:0-7, realtime:0-7"},
      {"oom-score-adj", 0, "-1000..1000", "who is killed first when the host runs out of memory"},
      {"profile", 0, "NAME", "a set of limits (ffrtmp profiles); flags override it"},
      {"require", 0, "LIMIT,..|all", "start nothing unless these are enforced", true},
      {"placement", 0, "WHERE", "auto, systemd, cgroup, none"},
      {"cgroup-parent", 0, "PATH", "a cgroup delegated to you, to live below"},
  };
  before.insert(before.end(), limits.begin(), limits.end());
  before.insert(before.end(), after.begin(), after.end());
  return before;
}

}  // namespace ffrtmp
