#include "proc/spawn.h"

#include <dirent.h>
#include <doctest/doctest.h>
#include <fcntl.h>
#include <signal.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include <chrono>
#include <set>
#include <thread>

#include "fake.h"
#include "proc/procfs.h"
#include "sys/file.h"
#include "sys/text.h"

// All of this starts real processes. It runs under AddressSanitizer too: the child shares our memory and
// works on a stack of its own there, which is what these tests are to see.

using namespace ffrtmp;

namespace {

SpawnPlan plan_of(std::vector<std::string> argv) {
  SpawnPlan plan;
  plan.program = argv[0];
  plan.argv = std::move(argv);
  plan.environment = {"PATH=/usr/bin:/bin", "MARK=set"};
  return plan;
}
SpawnPlan shell(const std::string& script) { return plan_of({"/bin/sh", "-c", script}); }

/// How it ended: the exit code, or 1000 + the signal.
int wait_for(const Spawned& spawned) {
  int status = 0;
  while (::waitpid(spawned.process.pid(), &status, 0) < 0 && errno == EINTR) {
  }
  return WIFEXITED(status) ? WEXITSTATUS(status) : 1000 + WTERMSIG(status);
}
int run(const SpawnPlan& plan) {
  auto spawned = spawn(plan);
  REQUIRE_MESSAGE(spawned.has_value(), (spawned ? "" : spawned.error().message()));
  return wait_for(*spawned);
}

/// What a plan prints on its standard output.
std::string output_of(SpawnPlan plan) {
  int ends[2];
  REQUIRE(::pipe2(ends, O_CLOEXEC) == 0);
  const Fd ours(ends[0]);
  Fd theirs(ends[1]);
  plan.out = theirs.get();
  auto spawned = spawn(plan);
  REQUIRE_MESSAGE(spawned.has_value(), (spawned ? "" : spawned.error().message()));
  theirs.reset();
  std::string out;
  char buffer[4096];
  while (const ssize_t got = ::read(ours.get(), buffer, sizeof buffer)) {
    if (got < 0) break;
    out.append(buffer, static_cast<size_t>(got));
  }
  wait_for(*spawned);
  return out;
}

uint64_t signal_mask(const std::string& status, const std::string& key) {
  for (const std::string_view line : lines(status))
    if (line.starts_with(key + ":"))
      return std::stoull(std::string(trim(line.substr(key.size() + 1))), nullptr, 16);
  FAIL("no such line: " << key);
  return 0;
}
bool has_signal(uint64_t mask, int number) { return mask >> (number - 1) & 1; }

int open_descriptors() {
  int count = 0;
  for ([[maybe_unused]] const auto& entry : std::filesystem::directory_iterator("/proc/self/fd")) count++;
  return count;
}

int children_left() {
  int count = 0;
  siginfo_t info{};
  while (::waitid(P_ALL, 0, &info, WEXITED | WNOHANG) == 0 && info.si_pid != 0) count++, info = {};
  return count;
}

}  // namespace

TEST_CASE("a workload's exit code and signal come back as they are") {
  CHECK(run(shell("exit 0")) == 0);
  CHECK(run(shell("exit 1")) == 1);
  CHECK(run(shell("exit 255")) == 255);
  CHECK(run(shell("kill -TERM $$")) == 1000 + SIGTERM);
  CHECK(run(shell("kill -KILL $$")) == 1000 + SIGKILL);
}

TEST_CASE("arguments and environment reach the workload as they were given") {
  auto plan = plan_of(
      {"/bin/sh", "-c", "printf '%s|' \"$0\" \"$@\" \"$MARK\" \"$HOME\"", "zero", "a b", "", "$x\n*"});
  CHECK(output_of(plan) == "zero|a b||$x\n*|set||");
}

TEST_CASE("the name that the operator typed is argv[0], the program is what was found") {
  auto plan = plan_of({"/bin/sh", "-c", "tr '\\0' '|' </proc/$$/cmdline"});
  plan.argv[0] = "typed-name";
  CHECK(output_of(plan).starts_with("typed-name|-c|"));
}

TEST_CASE("a program that is not there is 127 and one that cannot be executed 126, with the step's name") {
  fake::Dir dir;
  const auto failure = [](const std::string& program) {
    auto spawned = spawn(plan_of({program}));
    REQUIRE_FALSE(spawned.has_value());
    CHECK(spawned.error().step == "executing");
    CHECK(spawned.error().message().find(program) != std::string::npos);
    return static_cast<int>(spawned.error().exit);
  };
  CHECK(failure(dir / "absent") == 127);
  CHECK(failure(dir.file("plain", "#!/bin/sh\n", 0644)) == 126);
  CHECK(failure(dir.folder("folder")) == 126);
  CHECK(failure(dir.file("no-interpreter", "#!/no/such/interpreter\n", 0755)) == 127);
  CHECK(children_left() == 0);
}

TEST_CASE("a script without #! is run by the shell with its arguments") {
  fake::Dir dir;
  const std::string script = dir.file("script", "printf '%s,' \"$0\" \"$@\"\n", 0755);
  CHECK(output_of(plan_of({script, "one", "two words"})) == script + ",one,two words,");
}

TEST_CASE("the workload starts in its folder, and one that is not there is named") {
  fake::Dir dir;
  auto plan = shell("pwd -P");
  plan.workdir = dir.path();
  CHECK(output_of(plan) == std::filesystem::canonical(dir.path()).string() + "\n");
  plan.workdir = dir / "absent";
  const auto spawned = spawn(plan);
  REQUIRE_FALSE(spawned.has_value());
  CHECK(spawned.error().step == "changing to folder");
  CHECK(spawned.error().object == dir / "absent");
  CHECK(spawned.error().errnum == ENOENT);
  CHECK(spawned.error().exit == ExitCode::ours);
  CHECK(children_left() == 0);
}

TEST_CASE("standard streams are connected as planned and the rest stays as it is") {
  fake::Dir dir;
  const Fd in(::open(dir.file("in", "from the file").c_str(), O_RDONLY | O_CLOEXEC));
  const Fd out(::open((dir / "out").c_str(), O_WRONLY | O_CREAT | O_CLOEXEC, 0600));
  auto plan = shell("cat; echo err >&2");
  plan.in = in.get();
  plan.out = plan.err = out.get();
  CHECK(run(plan) == 0);
  CHECK(dir.text("out") == "from the fileerr\n");
}

TEST_CASE("no descriptor of ours is open in the workload but the three standard ones") {
  // What we hold, however many, must not be in the workload: it lives longer than we do.
  std::vector<Fd> held;
  for (int i = 0; i < 20; i++) held.emplace_back(::open("/dev/null", O_RDONLY | O_CLOEXEC));
  const Fd tasks(::open("/dev/null", O_WRONLY | O_CLOEXEC));
  auto plan = plan_of({"/bin/ls", "/proc/self/fd"});
  plan.v1_tasks = {tasks.get()};
  // Descriptors that this test itself was started with are not ours to close.
  std::set<std::string> inherited;
  for (const auto& entry : std::filesystem::directory_iterator("/proc/self/fd")) {
    const int fd = std::stoi(entry.path().filename());
    if (const int flags = ::fcntl(fd, F_GETFD); flags >= 0 && !(flags & FD_CLOEXEC))
      inherited.insert(std::to_string(fd));
  }
  const std::string text = output_of(plan);
  size_t extra = 0;
  for (const auto fd : words(text))
    if (!inherited.contains(std::string(fd)) && fd != "0" && fd != "1" && fd != "2") extra++;
  CHECK(extra == 1);  // the folder that ls itself has open
}

TEST_CASE("the workload starts with no signal blocked, handled or ignored that we block, handle or ignore") {
  sigset_t block, before;
  sigemptyset(&block);
  for (const int number : {SIGINT, SIGTERM, SIGCHLD, SIGUSR1}) sigaddset(&block, number);
  ::sigprocmask(SIG_BLOCK, &block, &before);
  std::vector<std::pair<int, struct sigaction>> old;
  for (const int number : {SIGPIPE, SIGINT, SIGQUIT, SIGTERM, SIGUSR1, SIGTTOU, SIGCHLD, SIGHUP}) {
    struct sigaction ignore {
    }, was{};
    // SIGHUP is passed on as the caller has it: under nohup these tests have it ignored.
    ignore.sa_handler = number == SIGCHLD || number == SIGHUP ? SIG_DFL : SIG_IGN;
    ::sigaction(number, &ignore, &was);
    old.emplace_back(number, was);
  }
  const std::string status = output_of(plan_of({"/bin/cat", "/proc/self/status"}));
  const std::string own = read_file("/proc/self/status").value();
  for (const auto& [number, action] : old) ::sigaction(number, &action, nullptr);
  sigset_t after;
  ::sigprocmask(SIG_SETMASK, &before, &after);
  CHECK(signal_mask(status, "SigBlk") == 0);
  CHECK(signal_mask(status, "SigCgt") == 0);
  for (const int number : {SIGPIPE, SIGINT, SIGQUIT, SIGTERM, SIGUSR1, SIGTTOU, SIGCHLD, SIGHUP})
    CHECK_MESSAGE(!has_signal(signal_mask(status, "SigIgn"), number), number);
  // And ours are as they were: the child shares our memory, not our dispositions.
  CHECK(has_signal(signal_mask(own, "SigIgn"), SIGPIPE));
  CHECK(has_signal(signal_mask(own, "SigIgn"), SIGINT));
  CHECK(sigismember(&after, SIGUSR1) == 1);
  CHECK(sigismember(&after, SIGHUP) == sigismember(&before, SIGHUP));
}

TEST_CASE("SIGHUP is the caller's word or is ignored where the terminal may close") {
  auto plan = plan_of({"/bin/cat", "/proc/self/status"});
  plan.ignore_hangup = true;
  CHECK(has_signal(signal_mask(output_of(plan), "SigIgn"), SIGHUP));
  plan.ignore_hangup = false;
  struct sigaction ignore {
  }, was{};
  ignore.sa_handler = SIG_IGN;
  ::sigaction(SIGHUP, &ignore, &was);
  CHECK(has_signal(signal_mask(output_of(plan), "SigIgn"), SIGHUP));  // nohup ffrtmp run …
  ::sigaction(SIGHUP, &was, nullptr);
}

TEST_CASE("a session or a process group of its own is made when asked for") {
  const auto stat_of = [](SpawnPlan plan) { return parse_stat(output_of(std::move(plan))).value(); };
  auto plan = plan_of({"/bin/cat", "/proc/self/stat"});
  const auto plain = stat_of(plan);
  CHECK(plain.pgrp == ::getpgrp());
  plan.own_group = true;
  const auto group = stat_of(plan);
  CHECK(group.pgrp == group.pid);
  CHECK(group.session == ::getsid(0));
  plan.own_group = false;
  plan.own_session = true;
  const auto session = stat_of(plan);
  CHECK(session.session == session.pid);
}

TEST_CASE("settings are on the workload before it starts, read back, and off us") {
  auto plan = plan_of({"/bin/cat", "/proc/self/stat", "/proc/self/oom_score_adj", "/proc/self/limits"});
  const int own_nice = ::getpriority(PRIO_PROCESS, 0);
  const std::string own_score = read_file("/proc/self/oom_score_adj").value();
  const int nice = std::min(19, own_nice + 3);
  const auto affinity = affinity_of(0).value();
  plan.nice = nice;
  plan.batch = true;
  plan.ionice = 3 << 13;  // idle
  plan.oom_score_adj = 777;
  plan.affinity = CpuList{{affinity.cpus.front()}};
  plan.data_limit = 1ull << 30;
  int ends[2];
  REQUIRE(::pipe2(ends, O_CLOEXEC) == 0);
  const Fd ours(ends[0]);
  Fd theirs(ends[1]);
  plan.out = theirs.get();
  auto spawned = spawn(plan);
  REQUIRE(spawned.has_value());
  theirs.reset();
  std::string text(65536, '\0');
  size_t length = 0;
  while (const ssize_t got = ::read(ours.get(), text.data() + length, text.size() - length)) {
    if (got < 0) break;
    length += static_cast<size_t>(got);
  }
  text.resize(length);
  CHECK(wait_for(*spawned) == 0);
  const auto all = lines(std::string_view(text));
  REQUIRE(all.size() > 2);
  CHECK(parse_stat(all[0])->nice == nice);
  CHECK(all[1] == "777");
  CHECK(text.find("Max data size             1073741824") != std::string::npos);
  const auto& got = spawned->settings;
  const auto of = [&](Setting setting) { return got[static_cast<size_t>(setting)]; };
  for (const Setting setting : {Setting::nice, Setting::batch, Setting::ionice, Setting::oom_score_adj,
                                Setting::affinity, Setting::data_limit})
    CHECK(of(setting).errnum == 0);
  CHECK(of(Setting::nice).in_force == nice);
  CHECK(of(Setting::batch).in_force == 1);
  CHECK(of(Setting::ionice).in_force == 3 << 13);
  CHECK(of(Setting::oom_score_adj).in_force == 777);
  CHECK(of(Setting::affinity).in_force == 1);
  CHECK(of(Setting::data_limit).in_force == 1l << 30);
  CHECK(::getpriority(PRIO_PROCESS, 0) == own_nice);
  CHECK(read_file("/proc/self/oom_score_adj").value() == own_score);
  CHECK(affinity_of(0).value() == affinity);
}

TEST_CASE("a setting that is refused is told, and the workload runs") {
  auto plan = shell("exit 3");
  plan.affinity = CpuList{{8191}};  // no such CPU: EINVAL for everybody, root too
  auto spawned = spawn(plan);
  REQUIRE(spawned.has_value());
  CHECK(wait_for(*spawned) == 3);
  const auto& affinity = spawned->settings[static_cast<size_t>(Setting::affinity)];
  CHECK(affinity.errnum == EINVAL);
  CHECK(affinity.in_force == static_cast<long>(affinity_of(0)->cpus.size()));
}

TEST_CASE("a setting that is required and refused keeps the workload from starting") {
  fake::Dir dir;
  auto plan = shell("touch " + (dir / "started"));
  plan.affinity = CpuList{{8191}};
  plan.nice = ::getpriority(PRIO_PROCESS, 0);
  plan.required = 1u << static_cast<unsigned>(Setting::affinity) | 1u << static_cast<unsigned>(Setting::nice);
  const auto spawned = spawn(plan);
  REQUIRE_FALSE(spawned.has_value());
  CHECK(spawned.error().step == "setting a required limit of");
  CHECK(spawned.error().object == "CPU affinity");
  CHECK(spawned.error().errnum == EINVAL);
  CHECK(spawned.error().exit == ExitCode::ours);
  CHECK_FALSE(dir.has("started"));
  CHECK(children_left() == 0);
}

TEST_CASE(
    "a v1 leaf is entered by its tasks file before the workload starts, and a refusal is the cgroup's") {
  fake::Dir dir;
  const Fd tasks(::open(dir.file("tasks", "").c_str(), O_WRONLY | O_CLOEXEC));
  auto plan = shell("exit 0");
  plan.v1_tasks = {tasks.get()};
  CHECK(run(plan) == 0);
  CHECK(dir.text("tasks") == "0");
  const Fd closed(::open("/dev/full", O_WRONLY | O_CLOEXEC));
  plan.v1_tasks = {closed.get()};
  const auto refused = spawn(plan);
  REQUIRE_FALSE(refused.has_value());
  CHECK(refused.error().step == kEnteringCgroup);
  CHECK(refused.error().errnum == ENOSPC);
}

TEST_CASE(
    "a descriptor that is no cgroup is not born into: the workload enters by the file or does not start") {
  fake::Dir dir;
  const Fd folder = dir.open();
  const Fd procs(::open(dir.file("cgroup.procs", "").c_str(), O_WRONLY | O_CLOEXEC));
  auto plan = shell("exit 0");
  plan.cgroup = folder.get();
  plan.cgroup_procs = procs.get();
  auto spawned = spawn(plan);
  REQUIRE(spawned.has_value());
  CHECK_FALSE(spawned->born_in_cgroup);
  CHECK(wait_for(*spawned) == 0);
  CHECK(dir.text("cgroup.procs") == "0");
}

TEST_CASE("what is spawned is held by its identity from the first moment") {
  auto spawned = spawn(plan_of({"/bin/sleep", "60"}));
  REQUIRE(spawned.has_value());
  CHECK(spawned->process.alive());
  CHECK(is_alive(spawned->process.identity()));
  CHECK(spawned->process.identity() == ProcessRef::open(spawned->process.pid())->identity());
  // exec has happened by the time spawn returns.
  CHECK(
      std::filesystem::read_symlink("/proc/" + std::to_string(spawned->process.pid()) + "/exe").filename() !=
      "ffrtmp_unit");
  CHECK(spawned->process.signal(SIGKILL).has_value());
  CHECK(wait_for(*spawned) == 1000 + SIGKILL);
  CHECK_FALSE(spawned->process.alive());
}

TEST_CASE("64 quick launches leave no zombie and no descriptor") {
  const int before = open_descriptors();
  for (int i = 0; i < 64; i++) CHECK(run(plan_of({"/bin/true"})) == 0);
  for (int i = 0; i < 64; i++) CHECK_FALSE(spawn(plan_of({"/no/such/program"})).has_value());
  CHECK(children_left() == 0);
  CHECK(open_descriptors() == before);
}

TEST_CASE("many workloads run at once") {
  std::vector<Spawned> running;
  for (int i = 0; i < 32; i++) {
    auto spawned = spawn(shell("exit " + std::to_string(i)));
    REQUIRE(spawned.has_value());
    running.push_back(std::move(*spawned));
  }
  for (int i = 0; i < 32; i++) CHECK(wait_for(running[static_cast<size_t>(i)]) == i);
}

TEST_CASE("a recorder is a copy of this process, with or without a cgroup to be born in") {
  fake::Dir dir;
  const Fd folder = dir.open();
  for (const int cgroup : {-1, folder.get()}) {
    const auto pid = fork_into(cgroup);
    REQUIRE(pid.has_value());
    if (*pid == 0) ::_exit(dir.has(".") ? 42 : 1);
    int status = 0;
    REQUIRE(::waitpid(*pid, &status, 0) == *pid);
    CHECK(WIFEXITED(status));
    CHECK(WEXITSTATUS(status) == 42);
  }
}

TEST_CASE("becoming the workload keeps the process, and a failure comes back with its step") {
  const pid_t child = ::fork();
  if (child == 0) {
    auto plan = shell("test $$ = \"$ME\" && exit 7; exit 8");
    plan.environment.push_back("ME=" + std::to_string(::getpid()));
    const Error error = become(plan, nullptr, nullptr, nullptr);
    ::_exit(99);
  }
  int status = 0;
  REQUIRE(::waitpid(child, &status, 0) == child);
  CHECK(WEXITSTATUS(status) == 7);
  const pid_t failing = ::fork();
  if (failing == 0) {
    const Error error = become(plan_of({"/no/such/program"}), nullptr, nullptr, nullptr);
    ::_exit(error.exit == ExitCode::not_found && error.step == "executing" ? 0 : 1);
  }
  REQUIRE(::waitpid(failing, &status, 0) == failing);
  CHECK(WEXITSTATUS(status) == 0);
}
