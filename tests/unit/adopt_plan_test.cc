#include <doctest/doctest.h>

#include "adopt/place.h"
#include "adopt/plan.h"
#include "adopt/tree.h"

using namespace ffrtmp;
using Kind = Place::Kind;

TEST_CASE("a cgroup's path tells whose it is") {
  struct Case {
    const char* path;
    Kind kind;
    const char *unit, *below, *name;
  };
  const std::string id(64, 'a');
  const Case cases[] = {
      {"/", Kind::root, "", "", ""},
      {"/my/own", Kind::plain, "", "", ""},
      {"/system.slice/nginx.service", Kind::unit, "nginx.service", "", ""},
      {"/system.slice/system-getty.slice/getty@tty1.service", Kind::unit, "getty@tty1.service", "", ""},
      {"/system.slice/x.service/a/b", Kind::unit, "x.service", "/a/b", ""},
      {"/user.slice/user-1000.slice/session-3.scope", Kind::session, "session-3.scope", "", ""},
      {"/system.slice/docker.service", Kind::unit, "docker.service", "", ""},
      {"/ffrtmp.slice/ffrtmp-jobs.scope/live", Kind::ours, "ffrtmp-jobs.scope", "", "live"},
      {"/ffrtmp/live/of-its-own", Kind::ours, "", "", "live"},
      {"/a/ffrtmp/live", Kind::plain, "", "", ""},  // not ours: we make it at the top, or in a unit
      {"/system.slice/agent.service/ffrtmp/live", Kind::ours, "agent.service", "", "live"},
      {"/docker/0123", Kind::container, "", "", "docker"},
      {"/lxc/web", Kind::container, "", "", "lxc"},
      {"/lxc.payload.web/init.scope", Kind::container, "", "", "LXC"},
      {"/kubepods.slice/kubepods-pod1.slice/cri-containerd-0.scope", Kind::container, "", "", "Kubernetes"},
  };
  for (const auto& each : cases) {
    CAPTURE(each.path);
    const Place place = place_of(each.path);
    CHECK(place.kind == each.kind);
    if (each.kind == Kind::unit || each.kind == Kind::session) CHECK(place.unit == each.unit);
    CHECK(place.below == each.below);
    CHECK(place.name == each.name);
    CHECK(place.path == each.path);
    CHECK_FALSE(describe(place).empty());
  }
  CHECK(place_of("/system.slice/docker-" + id + ".scope").name == "docker");
  CHECK(place_of("/machine.slice/libpod-" + id + ".scope").name == "podman");
}

TEST_CASE("a unit of a user's manager is told from one of the system") {
  const Place place = place_of("/user.slice/user-1500.slice/user@1500.service/app.slice/stream.service");
  CHECK(place.kind == Kind::unit);
  CHECK(place.unit == "stream.service");
  CHECK(place.user);
  CHECK(place.uid == 1500);
  CHECK(place.manager() == "--user=1500");
  const Place manager = place_of("/user.slice/user-1500.slice/user@1500.service");
  CHECK(manager.unit == "user@1500.service");
  CHECK(manager.manager() == "--system");
  CHECK(place_of("/system.slice/x.service").manager() == "--system");
  CHECK(place_of("/user.slice/user-9.slice/user@9.service/ffrtmp.slice/ffrtmp-jobs.scope/j").kind ==
        Kind::ours);
}

namespace {

Facts in_unit(size_t strangers) {
  Facts facts;
  facts.place = place_of("/system.slice/x.service");
  facts.systemd = facts.may_ask = facts.needs_cgroup = true;
  facts.strangers = strangers;
  return facts;
}

}  // namespace

TEST_CASE("the four cases of adopting") {
  SUBCASE("alone in a unit: in place, by who may ask its manager") {
    CHECK(decide(in_unit(0)).way == Way::unit);
    Facts user = in_unit(0);
    user.may_ask = false;
    CHECK(decide(user).way == Way::stay);  // never out of its unit unasked
    CHECK(decide(user).why.contains("root"));
  }
  SUBCASE("the main process of a unit that holds more stays; another process of it moves") {
    Facts main = in_unit(3);
    main.main_process = true;
    CHECK(decide(main).way == Way::stay);
    CHECK(decide(main).why.contains("main process"));
    CHECK(decide(in_unit(3)).way == Way::leaf);
    CHECK(decide(in_unit(3)).why.contains("3 other processes"));
  }
  SUBCASE("alone in a cgroup below a delegated unit: in place") {
    Facts facts = in_unit(0);
    facts.place = place_of("/system.slice/x.service/inner");
    facts.may_write = true;
    CHECK(decide(facts).way == Way::cgroup);
    facts.may_write = false;
    CHECK(decide(facts).way == Way::leaf);
  }
  SUBCASE("sessions, shared cgroups and the top: into a leaf of ours") {
    Facts facts = in_unit(1);
    for (const char* path : {"/user.slice/user-1.slice/session-1.scope", "/shared", "/"}) {
      facts.place = place_of(path);
      CHECK(decide(facts).way == Way::leaf);
    }
    facts.place = place_of("/own");
    facts.strangers = 0;
    facts.may_write = true;
    CHECK(decide(facts).way == Way::cgroup);
  }
  SUBCASE("a container is never left, but for --move") {
    Facts facts = in_unit(0);
    facts.container = "docker";
    CHECK(decide(facts).way == Way::stay);
    CHECK(decide(facts).why.contains("docker"));
    facts.move = true;
    CHECK(decide(facts).way == Way::leaf);
  }
  SUBCASE("nothing moves for settings of the process alone, nor without a place") {
    Facts facts = in_unit(2);
    facts.needs_cgroup = false;
    CHECK(decide(facts).way == Way::stay);
    facts.needs_cgroup = true;
    facts.no_leaf = "no cgroup here";
    CHECK(decide(facts).way == Way::stay);
    CHECK(decide(facts).why.contains("no cgroup here"));
  }
  SUBCASE("threads that somebody has placed one by one stay") {
    Facts facts = in_unit(0);
    facts.split_threads = true;
    CHECK(decide(facts).way == Way::stay);
  }
}

TEST_CASE("a tree is all that descends, and orphans of its session, parents first") {
  const auto process = [](pid_t pid, pid_t ppid, pid_t session) {
    ProcStat out;
    out.pid = pid;
    out.ppid = ppid;
    out.session = out.pgrp = session;
    return out;
  };
  const std::vector<ProcStat> table = {
      process(1, 0, 1),    process(10, 1, 10), process(30, 20, 10), process(20, 10, 10), process(40, 1, 10),
      process(41, 40, 10), process(50, 1, 50), process(60, 50, 10), process(70, 70, 70), process(30, 20, 10)};
  CHECK(tree_of(table, 10) == std::vector<pid_t>{10, 20, 30, 40, 41});
  CHECK(tree_of(table, 20) == std::vector<pid_t>{20, 30});
  CHECK(tree_of(table, 70) == std::vector<pid_t>{70});  // its own parent: no endless walk
  CHECK(tree_of({}, 5) == std::vector<pid_t>{5});
}
