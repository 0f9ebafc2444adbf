#include "jobs/profile.h"

#define TOML_HEADER_ONLY 1
#define TOML_EXCEPTIONS 0
// toml++ 3.3 asserts on some typing errors ("[,x]") that it reports properly without.
#define TOML_ASSERT(expr) static_assert(true)
#include <toml++/toml.h>

#include <algorithm>
#include <cstdlib>
#include <filesystem>

#include "sys/file.h"
#include "sys/text.h"

namespace ffrtmp {

namespace {

/// The built-in profiles as operators would write them, so that there is one way to read a profile.
struct BuiltIn {
  const char* name;
  const char* toml;
};
constexpr BuiltIn kBuiltIn[] = {
    {"live", R"(summary = "a live stream: first in line for CPU and disk, last to be killed for memory"
[limits]
cpu-weight = 800
io-weight = 800
ionice = "best-effort:0"
pids-max = 4096
oom-score-adj = 0
)"},
    {"vod", R"(summary = "files for people who wait for them: everybody's share, bounded"
[limits]
cpu-weight = 100
io-weight = 100
pids-max = 4096
oom-score-adj = 200
)"},
    {"batch", R"(summary = "work that may take all night: only what others leave"
[limits]
cpu-weight = 20
io-weight = 20
nice = 10
ionice = "idle"
pids-max = 4096
oom-score-adj = 500
)"},
    {"none", "summary = \"no limits\"\n"},
};

std::vector<std::string> limit_flags() {
  std::vector<std::string> out;
  for (const LimitKind kind : kLimitKinds) out.emplace_back(limit_flag(kind));
  return out;
}

/// What a TOML value says as text, as a flag would give it.
std::optional<std::string> scalar_text(const toml::node& node) {
  if (const auto* text = node.as_string()) return text->get();
  if (const auto* number = node.as_integer()) return std::to_string(number->get());
  return std::nullopt;
}

Status read_limit(const std::string& key, const toml::node& node, const std::string& source,
                  Profile& profile) {
  const auto kind = limit_kind(key);
  if (!kind || limit_flag(*kind) != key) {
    const auto near = nearest(key, limit_flags());
    return bad_input("unknown limit in " + source + ":", key,
                     near ? "did you mean " + *near + "?" : "see ffrtmp run --help");
  }
  std::vector<std::string> values;
  if (const auto* list = node.as_array()) {
    for (const auto& item : *list)
      if (auto text = scalar_text(item)) values.push_back(std::move(*text));
    if (values.size() != list->size() || *kind != LimitKind::io_max) values.clear();
  } else if (auto text = scalar_text(node)) {
    values.push_back(std::move(*text));
  }
  if (values.empty())
    return bad_input("wrong type in " + source + ":", key, "give text in quotes or a whole number");
  for (const auto& text : values) {
    auto value = parse_limit(*kind, text);
    if (!value) return bad_input("in " + source + ", " + key + ":", value.error().message());
    profile.limits.push_back({*kind, std::move(*value), "profile " + profile.name});
  }
  return {};
}

}  // namespace

Result<Profile> parse_profile(const std::string& name, const std::string& text, const std::string& source) {
  // TOML knows no control characters but these three; toml++ 3.3 asserts on some of them instead of saying
  // so.
  if (std::ranges::any_of(text, [](char c) {
        return (static_cast<unsigned char>(c) < 0x20 && c != '\t' && c != '\n' && c != '\r') || c == 0x7f;
      }))
    return bad_input("not TOML, it has control characters:", source);
  // toml++ 3.3 runs into undefined behaviour on some characters beyond ASCII outside strings; a profile needs
  // none.
  if (std::ranges::any_of(text, [](char c) { return static_cast<unsigned char>(c) >= 0x80; }))
    return bad_input("not a profile, it has characters beyond ASCII:", source);
  const toml::parse_result parsed = toml::parse(text, source);
  if (!parsed) {
    const auto& error = parsed.error();
    return bad_input("not TOML: " + source + " line " + std::to_string(error.source().begin.line) + ":",
                     std::string(error.description()));
  }
  Profile profile{name, "", source, {}};
  for (const auto& [key, node] : parsed.table()) {
    if (key == "summary" && node.is_string())
      profile.summary = node.as_string()->get();
    else if (key == "limits" && node.is_table()) {
      for (const auto& [limit, value] : *node.as_table())
        TRY_OK(read_limit(std::string(limit.str()), value, source, profile));
    } else {
      return bad_input("unknown key in " + source + ":", std::string(key.str()),
                       "a profile has summary = \"...\" and a table [limits]");
    }
  }
  std::ranges::stable_sort(profile.limits, {}, &Limit::kind);
  return profile;
}

std::vector<Profile> builtin_profiles() {
  std::vector<Profile> out;
  for (const auto& entry : kBuiltIn)
    if (auto profile = parse_profile(entry.name, entry.toml, "built in")) out.push_back(std::move(*profile));
  return out;
}

Result<std::vector<Profile>> load_profiles() {
  namespace fs = std::filesystem;
  std::vector<Profile> out = builtin_profiles();
  std::vector<std::string> folders{"/etc/ffrtmp/profiles"};
  if (const char* home = ::getenv("HOME"); home && home[0] == '/')
    folders.push_back(std::string(home) + "/.config/ffrtmp/profiles");
  for (const auto& folder : folders) {
    std::vector<fs::path> files;
    std::error_code error;
    for (const auto& entry : fs::directory_iterator(folder, error))
      if (entry.path().extension() == ".toml") files.push_back(entry.path());
    std::ranges::sort(files);
    for (const auto& file : files) {
      TRY(const std::string text, read_file(file.string()));
      TRY(Profile profile, parse_profile(file.stem().string(), text, file.string()));
      std::erase_if(out, [&](const Profile& older) { return older.name == profile.name; });
      out.push_back(std::move(profile));
    }
  }
  return out;
}

Result<Profile> find_profile(const std::string& name) {
  TRY(auto profiles, load_profiles());
  std::vector<std::string> names;
  for (auto& profile : profiles) {
    if (profile.name == name) return std::move(profile);
    names.push_back(profile.name);
  }
  return bad_input("no such profile:", name, "there are " + join(names, ", "));
}

}  // namespace ffrtmp
