#include <doctest/doctest.h>
#include <sys/resource.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <thread>

#include "adopt/threads.h"
#include "adopt/tree.h"
#include "cgroup/freezer.h"
#include "cgroup/kernel_files.h"
#include "fake.h"
#include "jobs/result.h"
#include "proc/cpu_set.h"

using namespace ffrtmp;

TEST_CASE("the threads of a process are those that live, each with its start") {
  const auto self = ProcessRef::open(::getpid()).value();
  const size_t before = threads_of(self).size();
  std::atomic<pid_t> tid = 0;
  std::atomic<bool> leave = false;
  std::thread other([&] {
    tid = ::gettid();
    while (!leave) std::this_thread::yield();
  });
  while (tid == 0) std::this_thread::yield();
  const auto now = threads_of(self);
  CHECK(now.size() == before + 1);
  CHECK(std::ranges::any_of(now, [&](const ThreadRef& t) { return t.tid == tid && t.start_ticks > 0; }));

  // A setting of one thread is that thread's alone.
  const std::string own = read_thread(ThreadSetting::nice, 0).value();
  const int higher = std::min(19, std::stoi(own) + 1);
  REQUIRE(write_thread(ThreadSetting::nice, tid, std::to_string(higher)).has_value());
  CHECK(read_thread(ThreadSetting::nice, tid).value() == std::to_string(higher));
  CHECK(read_thread(ThreadSetting::nice, ::getpid()).value() == own);
  REQUIRE(write_thread(ThreadSetting::ionice, tid, std::to_string(3 << 13)).has_value());  // idle
  CHECK(read_thread(ThreadSetting::ionice, tid).value() == std::to_string(3 << 13));
  REQUIRE(write_thread(ThreadSetting::ionice, tid, "0").has_value());
  CHECK(read_thread(ThreadSetting::ionice, tid).value() == "0");
  const std::string cpus = read_thread(ThreadSetting::affinity, tid).value();
  REQUIRE(write_thread(ThreadSetting::affinity, tid, cpus).has_value());
  CHECK(cpus == format_cpu_list(affinity_of(tid).value()));
  leave = true;
  other.join();
  CHECK_FALSE(write_thread(ThreadSetting::nice, 0, "much").has_value());
  CHECK_FALSE(write_thread(ThreadSetting::affinity, 0, "0-").has_value());
}

TEST_CASE("a tree begins with the process itself, and one that has ended has none") {
  const auto self = ProcessRef::open(::getpid()).value();
  const auto tree = process_tree(self.identity());
  REQUIRE(tree.has_value());
  CHECK(tree->front().process.pid() == ::getpid());
  ProcessIdentity other = self.identity();
  other.start_ticks++;
  CHECK_FALSE(process_tree(other).has_value());
}

TEST_CASE("freezing writes the file and waits for the kernel's word") {
  const fake::Dir dir;
  dir.file("job/cgroup.freeze", "");
  dir.file("job/cgroup.events", "populated 1\nfrozen 1\n");
  Leaf leaf;
  leaf.name = "job";
  CHECK_FALSE(freeze(leaf, true).has_value());
  CHECK(freeze(leaf, true).error().errnum == ENOENT);  // nothing to freeze it with
  Hierarchy v2;
  v2.mount_point = dir.path();
  v2.mount_root = "/";
  leaf.dirs.push_back(open_cgroup(v2, "/job").value());
  CHECK(is_frozen(leaf));
  CHECK(freeze(leaf, true).has_value());
  CHECK(dir.text("job/cgroup.freeze") == "1");
  const auto late = freeze(leaf, false, std::chrono::milliseconds(5));
  REQUIRE_FALSE(late.has_value());  // it says frozen still
  CHECK(late.error().errnum == ETIMEDOUT);
  CHECK(dir.text("job/cgroup.freeze") == "0");
}

TEST_CASE("how an adopted job ended is told as far as it is known") {
  Record record;
  record.job_id = "j";
  record.mode = "attach";
  record.command = {"ffmpeg"};
  Ending ending;
  ending.seen = true;
  Verdict verdict = judge(record, ending);
  CHECK(verdict.outcome == Outcome::lost);
  CHECK(verdict.reason.contains("exit status is unknown"));
  CHECK(exit_code_of(verdict) == 125);
  ending.oom.kills = 1;
  ending.oom.own_limit = true;
  CHECK(judge(record, ending).outcome == Outcome::oom_killed);
  ending = {};
  ending.released = "everything is as it was before";
  verdict = judge(record, ending);
  CHECK(verdict.outcome == Outcome::detached);
  CHECK(verdict.reason.contains("everything is as it was before"));
  ending = {};
  ending.detached_by = 15;
  CHECK(judge(record, ending).reason.contains("ffrtmp detach j"));
  ending = {};
  ending.seen = true;
  ending.wait_status = 7 << 8;
  CHECK(exit_code_of(judge(record, ending)) == 7);
}
