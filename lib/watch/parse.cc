#include <algorithm>

#include "jobs/job_id.h"
#include "jobs/profile.h"
#include "sys/text.h"
#include "sys/toml_reader.h"
#include "watch/rules.h"

namespace ffrtmp {

namespace {

/// A list of texts of which none is empty.
Result<std::vector<std::string>> names(TomlReader& reader, std::string_view key) {
  TRY(auto out, reader.texts(key));
  if (std::ranges::find(out, "") != out.end())
    return reader.error_at(key, reader.path_of(key) + " has an empty text");
  return out;
}

/// An error of a value's own parser, with the place of its key.
template <class T>
Result<T> placed(const TomlReader& reader, std::string_view key, Result<T> result) {
  if (result) return result;
  return reader.error_at(key, reader.path_of(key) + ": " + result.error().message());
}

/// The table of limits: the flags of `ffrtmp run` are its keys.
Result<std::vector<Limit>> read_limit_table(const toml::table& table, const std::string& source,
                                            const std::string& path, SourcePlace place,
                                            const std::string& origin) {
  TomlReader reader(table, source, path, place);
  std::vector<Limit> out;
  for (const LimitKind kind : kLimitKinds) {
    const std::string_view flag = limit_flag(kind);
    const toml::node* node = reader.find(flag);
    if (!node) continue;
    std::vector<std::string> values;
    // One limit a disk.
    if (const auto* list = node->as_array(); list && kind == LimitKind::io_max)
      for (const auto& item : *list) values.push_back(value_text(item));
    else
      values.push_back(value_text(*node));
    if (values.empty() || std::ranges::find(values, "") != values.end())
      return reader.error_at(flag, reader.path_of(flag) + " is text in quotes or a whole number");
    for (const auto& text : values) {
      TRY(LimitValue value, placed(reader, flag, parse_limit(kind, text)));
      out.push_back({kind, std::move(value), origin});
    }
  }
  TRY_OK(reader.done());
  return out;
}

Result<std::set<LimitKind>> read_require(TomlReader& reader, const std::vector<Limit>& limits) {
  std::set<LimitKind> out, asked;
  for (const auto& limit : limits) asked.insert(limit.kind);
  TRY(const auto given, names(reader, "require"));
  for (const auto& name : given) {
    if (name == "all") {
      out.insert(asked.begin(), asked.end());
      continue;
    }
    const auto kind = limit_kind(name);
    if (!kind || !asked.contains(*kind))
      return reader.error_at("require", reader.path_of("require") + ": " + name +
                                            (kind ? " is not among the rule's limits" : " is no limit"));
    out.insert(*kind);
  }
  return out;
}

Result<WatchRule> read_rule(const toml::table& table, const std::string& source, SourcePlace place,
                            size_t number) {
  TomlReader reader(table, source, "rule", place);
  TRY_OK(reader.only({"name", "targets", "users", "parents", "cgroups", "directories", "commands", "min-age",
                      "containers", "leave-alone", "profile", "limits", "require"}));
  WatchRule out;
  TRY(out.name, reader.text("name", "rule-" + std::to_string(number)));
  if (!check_job_id(out.name))
    return reader.error_at("name", "rule.name: letters, digits, '.', '_' and '-', at most 64");
  TRY(out.targets, names(reader, "targets"));
  if (out.targets.empty())
    return reader.error_at("targets", "rule " + out.name + " has no targets",
                           "say of which programs, as targets = [\"ffmpeg\"]");
  for (const auto& target : out.targets)
    if (target.find('/') != std::string::npos)
      return reader.error_at("targets", "rule.targets: " + target + " is a path",
                             "give the executable's file name alone");
  TRY(out.users, names(reader, "users"));
  TRY(out.uids, placed(reader, "users", uids_of(out.users)));
  TRY(out.parents, names(reader, "parents"));
  TRY(out.cgroups, names(reader, "cgroups"));
  TRY(out.directories, names(reader, "directories"));
  for (auto& folder : out.directories) {
    if (folder[0] != '/')
      return reader.error_at("directories", "rule.directories: " + folder + " is not an absolute path");
    while (folder.size() > 1 && folder.back() == '/') folder.pop_back();
  }
  TRY(out.commands, names(reader, "commands"));
  TRY(const auto age, reader.duration("min-age"));
  out.min_age = age.value_or(Duration(0));
  TRY(out.containers, reader.flag("containers", false));
  TRY(out.leave_alone, reader.flag("leave-alone", false));
  for (const char* key : {"profile", "limits", "require"})
    if (out.leave_alone && reader.find(key))
      return reader.error_at(key, "rule " + out.name + " leaves its processes alone: it takes no " + key);
  TRY(out.profile, reader.text("profile"));
  if (!out.profile.empty()) {
    TRY(Profile profile, placed(reader, "profile", find_profile(out.profile)));
    out.limits = std::move(profile.limits);
  }
  TRY(const toml::table* limits, reader.table("limits"));
  if (limits) {
    TRY(auto own, read_limit_table(*limits, source, "rule.limits", place_of(*limits), "rule " + out.name));
    for (const auto& limit : own)
      std::erase_if(out.limits, [&](const Limit& other) {
        return other.kind == limit.kind && other.origin != limit.origin;
      });
    out.limits.insert(out.limits.end(), own.begin(), own.end());
    std::ranges::stable_sort(out.limits, {}, &Limit::kind);
  }
  TRY(out.required, read_require(reader, out.limits));
  TRY_OK(reader.done());
  return out;
}

}  // namespace

Result<WatchConfig> parse_watch(const std::string& text, const std::string& source) {
  TRY(const toml::table table, parse_toml(text, source));
  TomlReader reader(table, source, "", {1, 1});
  TRY_OK(reader.only({"scan-interval", "rule"}));
  WatchConfig out;
  TRY(out.scan_interval, reader.duration("scan-interval"));
  TRY(const toml::array* rules, reader.array("rule"));
  if (!rules || rules->empty())
    return reader.error({1, 1}, "there is no rule", "a rule begins with a line [[rule]]");
  for (const auto& item : *rules) {
    if (!item.is_table())
      return reader.error(place_of(item), "a rule is a table", "begin it with a line [[rule]]");
    TRY(WatchRule rule, read_rule(*item.as_table(), source, place_of(item), out.rules.size() + 1));
    if (std::ranges::find(out.rules, rule.name, &WatchRule::name) != out.rules.end())
      return reader.error(place_of(item), "there are two rules named " + rule.name);
    out.rules.push_back(std::move(rule));
  }
  return out;
}

}  // namespace ffrtmp
