#include <doctest/doctest.h>

#include <algorithm>

#include "fake.h"
#include "sys/notify.h"
#include "watch/rules.h"

using namespace ffrtmp;

namespace {

std::string complaint(const std::string& text) {
  const auto parsed = parse_watch(text, "w.toml");
  REQUIRE_FALSE(parsed.has_value());
  const std::string out = parsed.error().message();
  CHECK(out.find("w.toml:") == 0);
  CHECK(out.find('\n') == std::string::npos);
  return out;
}
bool has(const std::string& text, const std::string& part) { return text.find(part) != std::string::npos; }

/// One rule with a line more.
std::string with(const std::string& line) { return "[[rule]]\ntargets = [\"ffmpeg\"]\n" + line + "\n"; }

}  // namespace

TEST_CASE("a rule file is read as it says") {
  const auto config = parse_watch(R"(scan-interval = "30s"
[[rule]]
name = "live"
targets = ["ffmpeg", "gst-launch-1.0"]
users = ["root", "1000"]
parents = ["supervisord"]
cgroups = ["/system.slice/*"]
directories = ["/srv/cam/"]
commands = ["*rtmp://*"]
min-age = "1.5s"
containers = true
profile = "live"
require = ["memory.max"]
[rule.limits]
cpu-max = "150%"
memory-max = "2G"
nice = 3
oom-score-adj = 7

[[rule]]
targets = ["ffprobe"]
)",
                                  "w.toml");
  REQUIRE(config.has_value());
  CHECK(*config->scan_interval == std::chrono::seconds(30));
  REQUIRE(config->rules.size() == 2);
  const WatchRule& live = config->rules[0];
  CHECK(live.name == "live");
  CHECK(live.targets == std::vector<std::string>{"ffmpeg", "gst-launch-1.0"});
  CHECK(live.uids == std::set<uid_t>{0, 1000});
  CHECK(live.parents == std::vector<std::string>{"supervisord"});
  CHECK(live.directories == std::vector<std::string>{"/srv/cam"});
  CHECK(live.min_age == std::chrono::milliseconds(1500));
  CHECK(live.containers);
  CHECK(live.required == std::set<LimitKind>{LimitKind::memory_max});
  // The rule's own limits over its profile's, in the order in which they are written.
  CHECK(std::ranges::is_sorted(live.limits, {}, &Limit::kind));
  const auto value = [&](LimitKind kind) {
    return std::ranges::find(live.limits, kind, &Limit::kind)->value;
  };
  CHECK(std::get<OomScore>(value(LimitKind::oom_score_adj)).value == 7);
  CHECK(std::get<Weight>(value(LimitKind::cpu_weight)).value == 800);
  CHECK(std::ranges::count(live.limits, LimitKind::oom_score_adj, &Limit::kind) == 1);
  CHECK(config->rules[1].name == "rule-2");
  CHECK(config->rules[1].limits.empty());
  CHECK_FALSE(config->rules[1].containers);
  CHECK(describe(live).find("rule live: ffmpeg, gst-launch-1.0; profile live, cpu.max 150%") == 0);
}

TEST_CASE("what is not known is an error with its place and a suggestion") {
  CHECK(has(complaint(with("min_age = \"2s\"")), "w.toml:3:"));
  CHECK(has(complaint(with("min_age = \"2s\"")), "did you mean min-age?"));
  CHECK(has(complaint(with("[rule.limits]\ncpu-mx = 1")), "w.toml:4:"));
  CHECK(has(complaint(with("[rule.limits]\ncpu-mx = 1")), "did you mean cpu-max?"));
  CHECK(has(complaint(with("") + "[rules]\n"), "did you mean rule?"));
  CHECK(has(complaint("scan_interval = \"5s\"\n" + with("")), "did you mean scan-interval?"));
  CHECK(has(complaint(with("frobnicate = 1")), "there are name, targets"));
}

TEST_CASE("wrong values are errors with their place") {
  CHECK(has(complaint(""), "there is no rule"));
  CHECK(has(complaint("rule = 1\n"), "w.toml:1:"));
  CHECK(has(complaint("rule = [1]\n"), "a rule is a table"));
  CHECK(has(complaint("[[rule]]\nname = \"x\"\n"), "has no targets"));
  CHECK(has(complaint("[[rule]]\ntargets = \"ffmpeg\"\n"), "w.toml:2:11: rule.targets is a list of texts"));
  CHECK(has(complaint("[[rule]]\ntargets = [\"/usr/bin/ffmpeg\"]\n"), "is a path"));
  CHECK(has(complaint("[[rule]]\ntargets = [\"\"]\n"), "empty"));
  CHECK(has(complaint(with("users = [\"nobody-of-that-name\"]")), "no such user"));
  CHECK(has(complaint(with("users = [\"4294967295\"]")), "no such user"));
  CHECK(has(complaint(with("directories = [\"srv\"]")), "not an absolute path"));
  CHECK(has(complaint(with("min-age = \"soon\"")), "w.toml:3:"));
  CHECK(has(complaint(with("min-age = 2")), "text in quotes"));
  CHECK(has(complaint(with("containers = \"yes\"")), "true or false"));
  CHECK(has(complaint(with("leave-alone = 1")), "true or false"));
  CHECK(has(complaint(with("leave-alone = true\nprofile = \"live\"")),
            "leaves its processes alone: it takes no profile"));
  CHECK(has(complaint(with("leave-alone = true\n[rule.limits]\nnice = 5")), "it takes no limits"));
  CHECK(has(complaint(with("profile = \"lvie\"")), "no such profile"));
  CHECK(has(complaint(with("require = [\"cpu.max\"]")), "not among the rule's limits"));
  CHECK(has(complaint(with("require = [\"cpu.mx\"]")), "is no limit"));
  CHECK(has(complaint(with("[rule.limits]\nmemory-max = \"lots\"")), "w.toml:4:"));
  CHECK(has(complaint(with("[rule.limits]\nmemory-max = true")), "text in quotes"));
  CHECK(has(complaint(with("[rule.limits]\nmemory-max = [\"1G\"]")), "text in quotes"));
  CHECK(has(complaint(with("name = \"a\"") + with("name = \"a\"")), "two rules named a"));
  CHECK(has(complaint(with("name = \"a b\"")), "letters"));
  CHECK(has(complaint("[[rule]\n"), "w.toml:1:"));
  CHECK(has(complaint("\xC3\xBC = 1\n"), "w.toml:1:1: a character beyond ASCII"));
}

TEST_CASE("systemd's wishes are taken out of the environment") {
  const fake::Variable socket("NOTIFY_SOCKET", "/nonexistent/socket");
  const fake::Variable usec("WATCHDOG_USEC", "3000000");
  const fake::Variable pid("WATCHDOG_PID", nullptr);
  const ServiceManager manager;
  CHECK(manager.listens());
  CHECK(*manager.watchdog() == std::chrono::milliseconds(1500));
  CHECK_FALSE(::getenv("NOTIFY_SOCKET"));
  CHECK_FALSE(::getenv("WATCHDOG_USEC"));
  manager.tell("READY=1");  // nobody is there: nothing happens
  const ServiceManager again;
  CHECK_FALSE(again.listens());
  CHECK_FALSE(again.watchdog().has_value());
  {
    const fake::Variable other("WATCHDOG_PID", "1");
    const fake::Variable wish("WATCHDOG_USEC", "3000000");
    CHECK_FALSE(ServiceManager().watchdog().has_value());
  }
  const fake::Variable wrong("WATCHDOG_USEC", "soon");
  CHECK_FALSE(ServiceManager().watchdog().has_value());
}
