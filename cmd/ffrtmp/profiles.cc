#include "jobs/profile.h"
#include "print.h"
#include "verb.h"

namespace ffrtmp {

namespace {

Result<int> profiles_verb(const Arguments& arguments) {
  if (!arguments.positionals.empty())
    return bad_input("ffrtmp profiles takes no argument:", arguments.positionals[0]);
  TRY(const auto profiles, load_profiles());
  if (arguments.has("json")) {
    Json out = Json::array();
    for (const auto& profile : profiles) {
      Json limits = Json::object();
      for (const auto& limit : profile.limits) {
        const std::string name(limit_name(limit.kind));
        if (limit.kind == LimitKind::io_max)
          limits[name].push_back(v2_text(limit.value));
        else
          limits[name] = v2_text(limit.value);
      }
      out.push_back({{"name", profile.name},
                     {"summary", profile.summary},
                     {"source", profile.source},
                     {"limits", limits}});
    }
    return print_out(dump_json(out, 1) + "\n");
  }
  std::string out;
  for (const auto& profile : profiles) {
    out += (out.empty() ? "" : "\n") + profile.name + " (" + profile.source + ")" +
           (profile.summary.empty() ? "" : ": " + profile.summary) + "\n";
    std::vector<std::vector<std::string>> rows;
    for (const auto& limit : profile.limits)
      rows.push_back({"  " + std::string(limit_name(limit.kind)), format_limit(limit.kind, limit.value)});
    out += table(rows);
  }
  return print_out(out);
}

}  // namespace

const Verb kProfilesVerb = {
    "profiles",
    "[--json]",
    "Show the sets of limits that --profile knows.",
    {{"json", 0, nullptr, "for machines"}},
    "Your own: NAME.toml in /etc/ffrtmp/profiles or ~/.config/ffrtmp/profiles, with\n"
    "  summary = \"...\"\n  [limits]\n  cpu-max = \"150%\"\n  memory-max = \"2G\"\n",
    profiles_verb,
};

}  // namespace ffrtmp
