#include "jobs/profile.h"

#include <doctest/doctest.h>

#include <algorithm>

#include "fake.h"

using namespace ffrtmp;

namespace {
Result<Profile> parse(const std::string& toml) { return parse_profile("mine", toml, "/etc/x.toml"); }
const Limit* find(const Profile& profile, LimitKind kind) {
  const auto found = std::ranges::find(profile.limits, kind, &Limit::kind);
  return found == profile.limits.end() ? nullptr : &*found;
}
}  // namespace

TEST_CASE("the four profiles that come with it are coherent") {
  const auto all = builtin_profiles();
  REQUIRE(all.size() == 4);
  for (const std::string name : {"live", "vod", "batch", "none"}) {
    const auto found = std::ranges::find(all, name, &Profile::name);
    REQUIRE(found != all.end());
    CHECK_FALSE(found->summary.empty());
    CHECK(found->limits.empty() == (name == "none"));
  }
  const auto weight = [&](const std::string& name) {
    return std::get<Weight>(find(*std::ranges::find(all, name, &Profile::name), LimitKind::cpu_weight)->value)
        .value;
  };
  CHECK(weight("live") > weight("vod"));
  CHECK(weight("vod") > weight("batch"));
}

TEST_CASE("a profile's keys are the flags of run, in text or whole numbers") {
  const auto profile = parse(
      "summary = \"mine\"\n[limits]\nnice = 5\ncpu-max = \"150%\"\nmemory-max = \"2G\"\npids-max = 64\n");
  REQUIRE(profile.has_value());
  CHECK(profile->summary == "mine");
  REQUIRE(profile->limits.size() == 4);
  CHECK(std::ranges::is_sorted(profile->limits, {}, &Limit::kind));
  CHECK(std::get<CpuMax>(find(*profile, LimitKind::cpu_max)->value).quota_us == 150'000);
  CHECK(find(*profile, LimitKind::nice)->origin.find("mine") != std::string::npos);
  CHECK(parse("").has_value());
}

TEST_CASE("a profile is read strictly, and its errors name file, key and what would do") {
  const auto message = [](const std::string& toml) {
    const auto profile = parse(toml);
    CHECK_FALSE(profile.has_value());
    const std::string text = profile ? "" : profile.error().message();
    CHECK(text.find("/etc/x.toml") != std::string::npos);
    CHECK(text.find('\n') == std::string::npos);
    return text;
  };
  CHECK(message("[limits]\ncpu-mx = 1\n").find("did you mean cpu-max?") != std::string::npos);
  CHECK(message("[limits]\ncpu.max = 1\n").find("cpu") != std::string::npos);
  CHECK(message("[limits]\nfrobnicate = 1\n").find("frobnicate") != std::string::npos);
  CHECK(message("[limit]\nnice = 1\n").find("limit") != std::string::npos);
  CHECK(message("sumary = \"x\"\n").find("sumary") != std::string::npos);
  CHECK(message("summary = 5\n").find("summary") != std::string::npos);
  CHECK(message("limits = 5\n").find("limits") != std::string::npos);
  CHECK(message("[limits]\nmemory-max = 0\n").find("memory-max") != std::string::npos);
  for (const std::string value : {"1.5", "true", "[]", "[1, 2]", "{a = 1}", "2026-01-31", "\"2X\"", "\"\""})
    CHECK(message("[limits]\nmemory-max = " + value + "\n").find("memory-max") != std::string::npos);
  CHECK(message("[limits]\nnice = \n").find("line 2") != std::string::npos);
  CHECK(message("[limits]\nnice = 1\nnice = 2\n").find("line 3") != std::string::npos);
  CHECK(message("[,limits]\nnice = 1\n").find("line 1") != std::string::npos);
  message("[");
  message(std::string("[limits]\nnice = \"5\0\"\n", 20));
  message(std::string("[\0\"x\"]\n", 7));
  message("\xff\xfe");
  // Letters that the TOML library mistakes for the end of its tables (U+FE9A, U+FEFB), where white space may
  // stand.
  message("\xef\xba\x9a = 1\n");
  message("[limits]\nnice \xef\xbb\xbb= 1\n");
}

TEST_CASE("an operator's profile is found, and replaces one of the same name") {
  fake::Dir home;
  fake::Variable variable("HOME", home.path().c_str());
  home.file(".config/ffrtmp/profiles/live.toml", "summary = \"ours\"\n[limits]\nnice = -5\n");
  home.file(".config/ffrtmp/profiles/night.toml", "[limits]\nnice = 19\n");
  home.file(".config/ffrtmp/profiles/README", "not a profile");
  const auto live = find_profile("live");
  REQUIRE(live.has_value());
  CHECK(live->summary == "ours");
  CHECK(live->source.find(home.path()) == 0);
  CHECK(find_profile("night").has_value());
  CHECK(find_profile("vod")->source == "built in");
  const auto missing = find_profile("nihgt");
  REQUIRE_FALSE(missing.has_value());
  CHECK(missing.error().message().find("night") != std::string::npos);
  CHECK_FALSE(find_profile("../live").has_value());
  const auto all = load_profiles();
  REQUIRE(all.has_value());
  CHECK(std::ranges::count(*all, "live", &Profile::name) == 1);
  home.file(".config/ffrtmp/profiles/broken.toml", "[limits\n");
  const auto broken = load_profiles();
  REQUIRE_FALSE(broken.has_value());
  CHECK(broken.error().message().find("broken.toml") != std::string::npos);
}

TEST_CASE("no home folder, or a relative one, does not matter") {
  for (const char* value : {static_cast<const char*>(nullptr), "", "relative"}) {
    fake::Variable variable("HOME", value);
    CHECK(find_profile("live").has_value());
  }
}
