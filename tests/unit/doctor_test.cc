#include "doctor/doctor.h"

#include <doctest/doctest.h>

#include "fake.h"
#include "sys/text.h"

using namespace ffrtmp;

namespace {

bool contains(const std::string& text, const std::string& part) {
  return text.find(part) != std::string::npos;
}
std::string mend_of(const Fact& fact) { return join(fact.mend, "\n"); }

Hierarchy v2_with(std::vector<std::string> names) {
  Hierarchy h;
  h.names = std::move(names);
  h.mount_point = "/sys/fs/cgroup";
  h.mount_root = h.self = "/";
  return h;
}

Delegation user_with(std::vector<std::string> controllers) {
  Delegation found;
  found.uid = 1500;
  found.user = "lab";
  found.systemd = found.manager = found.lingers = true;
  found.of_host = {"cpu", "cpuset", "memory", "io", "pids"};
  found.controllers = std::move(controllers);
  return found;
}

}  // namespace

TEST_CASE("hierarchies: unified is good, hybrid is lesser, none is bad, each with its way out") {
  Host host;
  host.kind = Host::Kind::unified;
  host.systemd = true;
  host.hierarchies = {v2_with({"cpu", "cpuset", "memory", "io", "pids"})};
  auto facts = hierarchy_facts(host);
  REQUIRE(facts.size() == 2);
  CHECK(facts[0].health == Health::good);
  CHECK(facts[1].health == Health::good);
  host.hierarchies[0].read_only = true;
  CHECK(hierarchy_facts(host)[0].health == Health::bad);
  host.hierarchies = {v2_with({"cpu", "cpuset", "io", "pids"})};
  facts = hierarchy_facts(host);
  CHECK(facts[1].health == Health::bad);
  CHECK(contains(mend_of(facts[1]), "cgroup_enable=memory"));
  host.hierarchies = {v2_with({"cpu", "cpuset", "memory", "pids"})};
  CHECK(hierarchy_facts(host)[1].health == Health::lesser);
  host.kind = Host::Kind::hybrid;
  CHECK(hierarchy_facts(host)[0].health == Health::lesser);
  CHECK(contains(mend_of(hierarchy_facts(host)[0]), "systemd.unified_cgroup_hierarchy=1"));
  host.kind = Host::Kind::none;
  facts = hierarchy_facts(host);
  REQUIRE(facts.size() == 1);
  CHECK(facts[0].health == Health::bad);
}

TEST_CASE("a user who is not given io and cpuset gets the drop-in and the options it is about") {
  auto facts = delegation_facts(user_with({"cpu", "memory", "pids"}));
  REQUIRE_FALSE(facts.empty());
  CHECK(facts[0].health == Health::lesser);
  CHECK(contains(facts[0].text, "--io-max"));
  CHECK(contains(facts[0].text, "--cpuset"));
  CHECK_FALSE(contains(facts[0].text, "--memory-max"));
  CHECK(contains(mend_of(facts[0]), "Delegate=cpu cpuset io memory pids"));
  CHECK(contains(mend_of(facts[0]), "user@1500.service"));
  CHECK(delegation_facts(user_with({"memory", "pids"}))[0].health == Health::bad);
  facts = delegation_facts(user_with({"cpu", "cpuset", "memory", "io", "pids"}));
  for (const auto& fact : facts) CHECK(fact.health == Health::good);
}

TEST_CASE("a user without a manager, a login that takes its jobs along, and root") {
  Delegation found = user_with({});
  found.manager = found.lingers = false;
  found.why_none = "no cgroup: no service manager answers at /run/user/1500/bus";
  auto facts = delegation_facts(found);
  REQUIRE(facts.size() == 1);
  CHECK(facts[0].health == Health::bad);
  CHECK(contains(mend_of(facts[0]), "loginctl enable-linger lab"));
  found = user_with({"cpu", "cpuset", "memory", "io", "pids"});
  found.lingers = false;
  facts = delegation_facts(found);
  REQUIRE(facts.size() == 2);
  CHECK(facts[1].health == Health::lesser);
  found.uid = 0;
  facts = delegation_facts(found);
  REQUIRE(facts.size() == 1);
  CHECK(facts[0].health == Health::good);
  found.v1_cpuset = true;
  CHECK(delegation_facts(found)[0].health == Health::lesser);
  found.systemd = false;
  CHECK(delegation_facts(found)[0].health == Health::good);
}

TEST_CASE("systemd's version is read from all that it prints, and old ones are told") {
  CHECK(systemd_version("systemd 252 (252.39-1~deb12u1)\n+PAM +AUDIT") == 252);
  CHECK(systemd_version("systemd 257~rc1 (257~rc1)") == 257);
  CHECK(systemd_version("systemd 256.7-3\n") == 256);
  for (const char* text : {"", "\n", "systemd", "systemd x", "sysvinit 3", "systemd 99999999999999999999"})
    CHECK_MESSAGE(systemd_version(text) == 0, text);
  CHECK(systemd_fact(true, 252, "").health == Health::good);
  CHECK(systemd_fact(true, 247, "").health == Health::lesser);
  CHECK(contains(systemd_fact(true, 239, "").text, "too old"));
  CHECK(systemd_fact(true, 0, "").health == Health::lesser);
  CHECK(contains(systemd_fact(false, 0, "runit").text, "runit"));
}

TEST_CASE("real-time threads are a trouble only where the kernel refuses them, and are named") {
  const std::vector<RealtimeThread> threads = {{1, 2, "multipathd", "/system.slice/multipathd.service"},
                                               {3, 3, "x", "/"}};
  using enum RealtimeGroups;
  CHECK(realtime_fact(no, true, false, threads).health == Health::good);
  CHECK(realtime_fact(yes, false, false, threads).health == Health::good);
  CHECK(realtime_fact(yes, true, true, threads).health == Health::good);
  const Fact fact = realtime_fact(yes, true, false, threads);
  CHECK(fact.health == Health::bad);
  CHECK(contains(fact.text, "multipathd"));
  REQUIRE(fact.mend.size() == 1);  // the top cgroup's are not asked
  CHECK(fact.mend[0] == "sudo chrt --other -p 0 2");
  CHECK(realtime_fact(unknown, true, false, threads).health == Health::lesser);
  CHECK(realtime_fact(yes, true, false, {threads[1]}).health == Health::good);
}

TEST_CASE("autogroup and clock") {
  CHECK(autogroup_fact(true, true).health == Health::good);
  CHECK(autogroup_fact(false, false).health == Health::good);
  CHECK(autogroup_fact(true, false).health == Health::lesser);
  CHECK(clock_fact(true, true, true).health == Health::good);
  CHECK(clock_fact(false, true, true).health == Health::lesser);
  CHECK(contains(mend_of(clock_fact(true, false, true)), "timedatectl"));
}

TEST_CASE("the state folder: made by the first job, another's, no folder, not absolute") {
  const fake::Dir dir;
  const auto fact_at = [](const std::string& path) {
    const fake::Variable folder("FFRTMP_STATE_DIR", path.c_str());
    return state_folder_fact();
  };
  CHECK(fact_at(dir / "a/b").health == Health::good);
  CHECK(contains(fact_at(dir / "a/b").text, "made by the first job"));
  CHECK_FALSE(dir.has("a"));
  dir.file("plain", "x");
  CHECK(fact_at(dir / "plain").health == Health::bad);
  CHECK(fact_at(dir / "plain/below").health == Health::bad);
  CHECK(fact_at("relative").health == Health::bad);
  CHECK(fact_at("/proc/none").health == Health::bad);
}
