#include "jobs/job_store.h"

#include <doctest/doctest.h>
#include <poll.h>
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include <set>

#include "fake.h"
#include "jobs/job_id.h"
#include "jobs/result.h"
#include "sys/file.h"

using namespace ffrtmp;

namespace {

/// A store in a folder of its own.
struct Here {
  fake::Dir dir;
  fake::Variable state{"FFRTMP_STATE_DIR", (dir / "state").c_str()};
  JobStore store = JobStore::open().value();

  std::string job(const std::string& id) const { return "state/jobs/" + id; }
  void let_sweep() const { ::unlink((dir / "state/swept").c_str()); }
};

Record starting(const std::string& id) {
  Record record;
  record.job_id = id;
  record.command = {"true"};
  record.started_at = wall_now();
  record.observer = ProcessRef::open(::getpid()).value().identity();
  return record;
}
/// A job whose workload and observer are gone.
Record dead(const std::string& id) {
  Record record = starting(id);
  record.workload = ProcessIdentity{1, 1, "another boot"};
  record.observer.reset();
  return record;
}

Json ended_at(const Record& record, WallTime when) {
  Ending ending;
  ending.wait_status = 0;
  ending.ended_at = when;
  return make_result(record, ending, judge(record, ending));
}

}  // namespace

TEST_CASE("the state folder and all in it is for its owner alone, whatever the umask") {
  const mode_t before = ::umask(0);
  {
    Here here;
    const auto folder = here.store.claim(starting("a"));
    REQUIRE(folder.has_value());
    REQUIRE(folder->write_result(lost_result(starting("a"))).has_value());
    here.store.sweep("");
    (void)here.store.next_number();
    CHECK(fake::mode_of(here.dir / "state") == 0700);
    CHECK(fake::mode_of(here.dir / "state/jobs") == 0700);
    CHECK(fake::mode_of(here.dir / here.job("a")) == 0700);
    size_t files = 0;
    for (const auto& entry : std::filesystem::recursive_directory_iterator(here.dir / "state"))
      if (entry.is_regular_file()) {
        files++;
        CHECK_MESSAGE(fake::mode_of(entry.path()) == 0600, entry.path().string());
      }
    CHECK(files >= 4);  // record, result, swept, counter
  }
  ::umask(before);
}

TEST_CASE("a claimed job is found with its record, and its folder holds nothing half written") {
  Here here;
  REQUIRE(here.store.claim(starting("a-1")).has_value());
  const auto found = here.store.find("a-1");
  REQUIRE(found.has_value());
  CHECK(found->state == JobState::starting);
  CHECK(found->record.command == std::vector<std::string>{"true"});
  std::set<std::string> names;
  for (const auto& entry : std::filesystem::directory_iterator(here.dir / here.job("a-1")))
    names.insert(entry.path().filename());
  CHECK(names == std::set<std::string>{"record.json"});
  CHECK_FALSE(here.store.find("b").has_value());
  CHECK(here.store.find("b").error().message().find("b") != std::string::npos);
  CHECK_FALSE(here.store.find("../a-1").has_value());
  CHECK_FALSE(here.store.find("").has_value());
}

TEST_CASE("a living job's id is refused, and nothing of the refused claim is left") {
  Here here;
  REQUIRE(here.store.claim(starting("a")).has_value());
  const auto again = here.store.claim(starting("a"));
  REQUIRE_FALSE(again.has_value());
  CHECK(again.error().message().find("a") != std::string::npos);
  CHECK_FALSE(again.error().hint.empty());
  size_t entries = 0;
  for ([[maybe_unused]] const auto& entry : std::filesystem::directory_iterator(here.dir / "state/jobs"))
    entries++;
  CHECK(entries == 1);
}

TEST_CASE("an ended job, a lost one and a broken folder make room for their id") {
  Here here;
  const auto first = here.store.claim(dead("ended"));
  REQUIRE(first.has_value());
  REQUIRE(first->write_result(ended_at(dead("ended"), wall_now())).has_value());
  CHECK(here.store.find("ended")->state == JobState::ended);
  CHECK(here.store.claim(starting("ended")).has_value());
  CHECK_FALSE(here.dir.has(here.job("ended") + "/result.json"));
  CHECK(here.store.find("ended")->state == JobState::starting);

  REQUIRE(here.store.claim(dead("lost")).has_value());
  CHECK(here.store.find("lost")->state == JobState::lost);
  CHECK(here.store.claim(starting("lost")).has_value());

  here.dir.file(here.job("broken") + "/record.json", "{ not json");
  CHECK(here.store.claim(starting("broken")).has_value());
  here.dir.folder(here.job("empty"));
  CHECK(here.store.claim(starting("empty")).has_value());
}

namespace {

/// `count` processes claim the same id at the same moment and live until all have tried; how many won.
int winners(const JobStore& store, const std::string& id, int count) {
  int go[2], told[2], leave[2];
  REQUIRE(::pipe2(go, O_CLOEXEC) == 0);
  REQUIRE(::pipe2(told, O_CLOEXEC) == 0);
  REQUIRE(::pipe2(leave, O_CLOEXEC) == 0);
  std::vector<pid_t> children;
  for (int i = 0; i < count; i++) {
    const pid_t pid = ::fork();
    REQUIRE(pid >= 0);
    if (pid == 0) {
      ::close(go[1]), ::close(leave[1]);
      char byte;
      (void)!::read(go[0], &byte, 1);  // end of file: all at once
      const char won = store.claim(starting(id)).has_value() ? 'y' : 'n';
      (void)!::write(told[1], &won, 1);
      (void)!::read(leave[0], &byte, 1);
      ::_exit(0);
    }
    children.push_back(pid);
  }
  ::close(go[0]), ::close(go[1]), ::close(told[1]), ::close(leave[0]);
  int won = 0, answers = 0;
  char answer;
  while (answers < count && ::read(told[0], &answer, 1) == 1) answers++, won += answer == 'y';
  ::close(leave[1]), ::close(told[0]);
  for (const pid_t pid : children) ::waitpid(pid, nullptr, 0);
  CHECK(answers == count);
  return won;
}

}  // namespace

TEST_CASE("of many processes that claim one id at once exactly one wins") {
  Here here;
  for (int round = 0; round < 5; round++) {
    const std::string id = "fresh-" + std::to_string(round);
    CHECK(winners(here.store, id, 16) == 1);
    CHECK(here.store.find(id).has_value());
  }
}

TEST_CASE("exactly one wins as well when an ended job has to make room first") {
  Here here;
  for (int round = 0; round < 5; round++) {
    const std::string id = "again-" + std::to_string(round);
    const auto old = here.store.claim(dead(id));
    REQUIRE(old.has_value());
    REQUIRE(old->write_result(ended_at(dead(id), wall_now())).has_value());
    CHECK(winners(here.store, id, 16) == 1);
    CHECK_FALSE(here.dir.has(here.job(id) + "/result.json"));
  }
  for (const auto& entry : std::filesystem::directory_iterator(here.dir / "state/jobs"))
    CHECK(entry.path().filename().string()[0] != '.');
}

TEST_CASE("the state of a job is told by the processes that live") {
  Here here;
  const pid_t child = ::fork();
  if (child == 0) {
    ::pause();
    ::_exit(0);
  }
  Record record = starting("a");
  record.workload = ProcessRef::open(child).value().identity();
  const auto folder = here.store.claim(record);
  REQUIRE(folder.has_value());
  CHECK(here.store.find("a")->state == JobState::running);
  record.observer->start_ticks++;  // the observer's PID is somebody else's now
  REQUIRE(folder->write_record(record).has_value());
  CHECK(here.store.find("a")->state == JobState::unobserved);
  ::kill(child, SIGKILL);
  ::waitpid(child, nullptr, 0);
  CHECK(here.store.find("a")->state == JobState::lost);
  REQUIRE(folder->write_result(ended_at(record, wall_now())).has_value());
  CHECK(here.store.find("a")->state == JobState::ended);
}

TEST_CASE("a sweep gives lost jobs a result, keeps living ones, and forgets what ended a day ago") {
  Here here;
  REQUIRE(here.store.claim(starting("living")).has_value());
  REQUIRE(here.store.claim(dead("lost")).has_value());
  const auto day_old = here.store.claim(dead("old"));
  REQUIRE(day_old->write_result(ended_at(dead("old"), {wall_now().ns - 25ll * 3600 * 1'000'000'000}))
              .has_value());
  const auto recent = here.store.claim(dead("recent"));
  REQUIRE(recent->write_result(ended_at(dead("recent"), {wall_now().ns - 23ll * 3600 * 1'000'000'000}))
              .has_value());
  REQUIRE(here.store.claim(dead("excepted")).has_value());
  here.store.sweep("excepted");
  CHECK(here.store.find("living")->state == JobState::starting);
  const auto lost = here.store.find("lost");
  REQUIRE(lost.has_value());
  REQUIRE(lost->result.has_value());
  CHECK((*lost->result)["outcome"] == "lost");
  CHECK_FALSE(here.store.find("old").has_value());
  CHECK(here.store.find("recent").has_value());
  CHECK_FALSE(here.store.find("excepted")->result.has_value());
}

TEST_CASE("a sweep keeps the 256 jobs that ended last, and is done once a minute") {
  Here here;
  const int64_t now = wall_now().ns;
  for (int i = 0; i < 260; i++) {
    const Record record = dead("job-" + std::to_string(i));
    const auto folder = here.store.claim(record);
    REQUIRE(folder.has_value());
    // Written plainly: the test needs no fsync.
    here.dir.file(here.job(record.job_id) + "/result.json",
                  dump_json(ended_at(record, {now - (260 - i) * 1'000'000'000ll})));
  }
  here.dir.file("state/swept", "");
  here.store.sweep("");
  CHECK(here.store.list().size() == 260);  // somebody swept just now
  here.let_sweep();
  here.store.sweep("");
  const auto left = here.store.list();
  CHECK(left.size() == 256);
  for (int i = 0; i < 4; i++) CHECK_FALSE(here.store.find("job-" + std::to_string(i)).has_value());
  CHECK(here.store.find("job-259").has_value());
  here.store.sweep("");
  CHECK(here.store.list().size() == 256);
}

TEST_CASE("what a killed claim left behind goes with a later sweep, and not at once") {
  Here here;
  const std::string fresh = here.dir.folder("state/jobs/.new-1-fresh");
  const std::string stale = here.dir.folder("state/jobs/.new-1-stale");
  here.dir.file("state/jobs/.new-1-stale/record.json.tmp1", "{");
  const timespec long_ago[2] = {{1'000'000'000, 0}, {1'000'000'000, 0}};
  REQUIRE(::utimensat(AT_FDCWD, stale.c_str(), long_ago, 0) == 0);
  here.store.sweep("");
  CHECK(std::filesystem::exists(fresh));
  CHECK_FALSE(std::filesystem::exists(stale));
}

TEST_CASE("spoiled files in the store harm no other job and end nobody") {
  Here here;
  REQUIRE(here.store.claim(starting("good")).has_value());
  const std::string record = dump_json(to_json(dead("x")));
  int number = 0;
  const auto spoil = [&](const std::string& record_text, const std::string& result_text) {
    const std::string id = "bad-" + std::to_string(number++);
    here.dir.file(here.job(id) + "/record.json", record_text);
    here.dir.file(here.job(id) + "/result.json", result_text);
  };
  spoil("", "");
  spoil("[]", "[]");
  spoil("{\"schema\":1,\"job_id\":5}", "{}");
  for (const std::string result :
       {"{}", "[]", "5", "{\"ended_at\":5}", "{\"ended_at\":null}", "{\"ended_at\":[]}",
        "{\"ended_at\":\"9999-12-31T23:59:59.999Z\"}", "{\"outcome\":5}"})
    spoil(record, result);
  here.dir.file(here.job("a-file"), "not a folder");
  CHECK_NOTHROW((void)here.store.list());
  CHECK_NOTHROW(here.store.sweep(""));
  CHECK(here.store.find("good")->state == JobState::starting);
}

TEST_CASE("a record that bears another job's name, or a path, leads nobody astray") {
  Here here;
  const std::string victim = here.dir / "victim/precious";
  const std::string absolute = here.dir / "victim";
  for (const std::string& name :
       {std::string("../../victim"), absolute, std::string("good"), std::string()}) {
    here.dir.file("victim/precious", "data");
    Record record = dead("liar");
    record.job_id = name;
    here.dir.file(here.job("liar") + "/record.json", dump_json(to_json(record)));
    here.dir.file(here.job("liar") + "/result.json", R"({"ended_at":"2000-01-01T00:00:00.000Z"})");
    REQUIRE(here.store.claim(starting("good")).has_value());
    here.let_sweep();
    here.store.sweep("");
    CHECK(std::filesystem::exists(victim));
    CHECK_MESSAGE(here.store.find("good").has_value(), name);
    (void)here.store.forget("good");
  }
}

TEST_CASE("forgetting a job takes its folder, and a folder that is not there is an error") {
  Here here;
  REQUIRE(here.store.claim(dead("a")).has_value());
  CHECK(here.store.forget("a").has_value());
  CHECK_FALSE(here.dir.has(here.job("a")));
  CHECK_FALSE(here.store.forget("a").has_value());
}

TEST_CASE("numbers for spreading jobs grow by one, also from other processes' draws") {
  Here here;
  const unsigned first = here.store.next_number();
  CHECK(here.store.next_number() == first + 1);
  const auto second = JobStore::open_existing();
  REQUIRE(second.has_value());
  CHECK(second->next_number() == first + 2);
}

TEST_CASE("a state folder that is relative, a file, a link, or not there is an error with its path") {
  fake::Dir dir;
  const auto refused = [](const std::string& path) {
    fake::Variable state("FFRTMP_STATE_DIR", path.c_str());
    const auto opened = JobStore::open();
    CHECK_FALSE(opened.has_value());
    if (!opened) CHECK(opened.error().message().find(path) != std::string::npos);
  };
  refused("relative/path");
  refused(dir.file("file", ""));
  dir.folder("real");
  dir.link("link", dir / "real");
  refused(dir / "link");
  fake::Variable state("FFRTMP_STATE_DIR", (dir / "absent").c_str());
  CHECK_FALSE(JobStore::open_existing().has_value());
  CHECK_FALSE(dir.has("absent"));
}

TEST_CASE("without FFRTMP_STATE_DIR the folder is the user's own, and no variable is needed for it") {
  fake::Variable state("FFRTMP_STATE_DIR", nullptr), home("HOME", nullptr),
      runtime("XDG_RUNTIME_DIR", nullptr);
  const std::string path = JobStore::default_path();
  CHECK(path.starts_with("/"));
  if (::geteuid() == 0) {
    CHECK(path == "/run/ffrtmp");
  } else {
    CHECK(path.find(std::to_string(::geteuid())) != std::string::npos);
    fake::Variable odd("XDG_RUNTIME_DIR", "relative");
    CHECK(JobStore::default_path().starts_with("/"));
    fake::Variable set("XDG_RUNTIME_DIR", "/run/user/7");
    CHECK(JobStore::default_path() == "/run/user/7/ffrtmp");
  }
}

TEST_CASE("holdings are what living jobs have, and what changes is read again") {
  Here here;
  const auto names = [&] {
    std::set<std::string> out;
    for (const auto& held : here.store.holdings()) out.insert(held.job_id);
    return out;
  };
  CHECK(names().empty());
  Record record = starting("a");
  record.mode = "attach";
  const auto folder = here.store.claim(record);
  REQUIRE(folder.has_value());
  REQUIRE(here.store.claim(dead("over")).has_value());
  CHECK(names() == std::set<std::string>{"a"});
  CHECK_FALSE(here.store.holdings()[0].workload.has_value());
  // Its record is written anew.
  record.workload = record.observer;
  record.rule = "live";
  REQUIRE(folder->write_record(record).has_value());
  for (int twice = 0; twice < 2; twice++) {
    const auto held = here.store.holdings();
    REQUIRE(held.size() == 1);
    CHECK(held[0].workload == record.workload);
    CHECK(held[0].mode == "attach");
  }
  CHECK(here.store.find("a")->record.rule == "live");
  // It was detached; another takes the name.
  Ending ending;
  ending.ended_at = wall_now();
  ending.released = "as it was";
  REQUIRE(folder->write_result(make_result(record, ending, judge(record, ending))).has_value());
  CHECK(names().empty());
  REQUIRE(here.store.claim(starting("a")).has_value());
  CHECK(names() == std::set<std::string>{"a"});
  REQUIRE(here.store.forget("a").has_value());
  CHECK(names().empty());
}

TEST_CASE("there is one watcher a state folder") {
  Here here;
  {
    const auto first = here.store.lock_watch();
    REQUIRE(first.has_value());
    CHECK_FALSE(here.store.lock_watch());
  }
  CHECK(here.store.lock_watch());
}
