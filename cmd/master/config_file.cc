#include <map>

#include "settings.h"
#include "sys/file.h"
#include "sys/toml_reader.h"

namespace ffrtmp::master {

namespace {

Result<int64_t> whole_within(TomlReader& in, const std::string& name, int64_t fallback, int64_t least,
                             int64_t most) {
  TRY(const int64_t number, in.whole(name, fallback));
  if (number >= least && number <= most) return number;
  return in.error_at(
      name, in.path_of(name) + " is a number from " + std::to_string(least) + " to " + std::to_string(most));
}

Status read_setting(TomlReader& in, const Setting& s) {
  const toml::node* node = in.raw().get(s.name);
  if (node == nullptr) {
    in.find(s.name);  // so that it is known
    return {};
  }
  if (s.list != nullptr) {
    TRY(*s.list, in.texts(s.name));
  } else if (s.flag != nullptr) {
    TRY(*s.flag, in.flag(s.name, false));
  } else if (s.number != nullptr) {
    TRY(*s.number, whole_within(in, s.name, 0, s.least, s.most));
  } else if (s.duration_ms != nullptr) {
    if (!node->is_string())
      return in.error_at(s.name, s.path() + " is a duration in quotes", "such as \"30s\"");
    TRY(const auto given, in.duration(s.name));
    if (!given) return in.error_at(s.name, s.path() + " is empty", "give a duration such as \"30s\"");
    *s.duration_ms = given->count() / 1'000'000;
  } else {
    TRY(*s.text, in.text(s.name));
  }
  return {};
}

Status read_tenants(TomlReader& in, Options& options) {
  TRY(const toml::table* tenants, in.table("tenants"));
  options.tenants.clear();
  if (tenants == nullptr) return {};
  for (const auto& [name, node] : in_file_order(*tenants)) {
    const auto* fields = node->as_table();
    if (fields == nullptr)
      return in.error(place_of(*node), "tenants." + name + " is a table",
                      "a tenant has weight and max_running");
    TomlReader one(*fields, in.source(), "tenants." + name, place_of(*node));
    queue::TenantPolicy policy;
    TRY(policy.weight, whole_within(one, "weight", policy.weight, 1, 1'000'000));
    TRY(policy.max_running, whole_within(one, "max_running", policy.max_running, 0, 1'000'000));
    TRY_OK(one.done());
    options.tenants[name] = policy;
  }
  return {};
}

}  // namespace

Status read_config_file(Options& options) {
  if (options.config.empty()) return {};
  TRY(const std::string text, read_file(options.config));
  TRY(const toml::table table, parse_toml(text, options.config));
  TomlReader top(table, options.config, "");
  const auto all = settings(options);
  std::map<std::string, std::vector<const Setting*>> sections;
  for (const Setting& s : all) sections[s.section].push_back(&s);
  for (const auto& [name, inside] : sections) {
    if (name.empty()) {
      for (const Setting* s : inside) TRY_OK(read_setting(top, *s));
      continue;
    }
    TRY(const toml::table* section, top.table(name));
    if (section == nullptr) continue;
    TomlReader in(*section, options.config, name);
    for (const Setting* s : inside) TRY_OK(read_setting(in, *s));
    TRY_OK(in.done());
  }
  TRY_OK(read_tenants(top, options));
  return top.done();
}

}  // namespace ffrtmp::master
