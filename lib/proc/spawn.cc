#include "proc/spawn.h"

#include <fcntl.h>
#include <linux/sched.h>
#include <sched.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cstring>
#include <memory>

#include "sys/file.h"
#include "sys/text.h"

namespace ffrtmp {

namespace {

/// The steps of the child, each with the words that name it in an error. The table cannot drift from the
/// steps.
enum class Stage {
  cloned,
  entering_v2,
  entering_v1,
  session,
  group,
  workdir,
  stdio,
  required_setting,
  executing,
};
constexpr const char* kStageText[] = {
    "starting the workload",
    kEnteringCgroup,
    kEnteringCgroup,
    "making a session",
    "making a process group",
    "changing to folder",
    "connecting standard streams",
    "setting a required limit of",
    "executing",
};

/// What the child tells the parent, in memory that both see. The parent reads it after the gate pipe reached
/// its end, which exec (or death) brings about.
struct Report {
  Stage stage = Stage::cloned;
  int errnum = 0;
  Setting setting = Setting::nice;
  std::array<SettingOutcome, kSettingCount> settings;
};

/// The plan with everything laid out for system calls alone: no allocation happens in the child.
struct Prepared {
  const SpawnPlan& plan;
  std::vector<char*> argv, environment, shell_argv;
  std::string oom_text;
  cpu_set_t* mask = nullptr;
  size_t mask_size = CPU_ALLOC_SIZE(kMaxCpus);

  explicit Prepared(const SpawnPlan& p)
      : plan(p), oom_text(p.oom_score_adj ? std::to_string(*p.oom_score_adj) : "") {
    for (const auto& argument : p.argv) argv.push_back(const_cast<char*>(argument.c_str()));
    argv.push_back(nullptr);
    for (const auto& variable : p.environment) environment.push_back(const_cast<char*>(variable.c_str()));
    environment.push_back(nullptr);
    // What execvp(3) does with a script that has no #! line.
    shell_argv = {const_cast<char*>("/bin/sh"), const_cast<char*>(p.program.c_str())};
    shell_argv.insert(shell_argv.end(), argv.begin() + 1, argv.end());
    if (p.affinity) {
      mask = CPU_ALLOC(kMaxCpus);
      CPU_ZERO_S(mask_size, mask);
      for (unsigned cpu : p.affinity->cpus) CPU_SET_S(cpu, mask_size, mask);
    }
  }
  ~Prepared() {
    if (mask) CPU_FREE(mask);
  }
  Prepared(const Prepared&) = delete;
  Prepared& operator=(const Prepared&) = delete;
};

/// One whole write to a file by name; errno or 0.
int put(const char* path, const char* text, size_t length) {
  const int fd = ::open(path, O_WRONLY | O_CLOEXEC);
  if (fd < 0) return errno;
  const int failed = ::write(fd, text, length) == static_cast<ssize_t>(length) ? 0 : errno;
  ::close(fd);
  return failed;
}

SettingOutcome& outcome(Report& report, Setting setting) {
  return report.settings[static_cast<size_t>(setting)];
}

/// Sets and reads back each setting. Runs between clone and exec: system calls only.
void apply_settings(const Prepared& p, Report& report) {
  const SpawnPlan& plan = p.plan;
  if (plan.nice) {
    auto& out = outcome(report, Setting::nice);
    if (::setpriority(PRIO_PROCESS, 0, *plan.nice) != 0) out.errnum = errno;
    out.in_force = ::getpriority(PRIO_PROCESS, 0);
  }
  if (plan.autogroup) {
    auto& out = outcome(report, Setting::autogroup);
    out.errnum = put("/proc/self/autogroup", plan.autogroup->c_str(), plan.autogroup->size());
    out.in_force = out.errnum == 0;
  }
  if (plan.batch) {
    auto& out = outcome(report, Setting::batch);
    const sched_param parameter{};
    if (::sched_setscheduler(0, SCHED_BATCH, &parameter) != 0) out.errnum = errno;
    out.in_force = ::sched_getscheduler(0) == SCHED_BATCH;
  }
  if (plan.ionice) {
    auto& out = outcome(report, Setting::ionice);
    constexpr int kWhoProcess = 1;  // IOPRIO_WHO_PROCESS; glibc has no wrapper
    if (::syscall(SYS_ioprio_set, kWhoProcess, 0, *plan.ionice) != 0) out.errnum = errno;
    out.in_force = ::syscall(SYS_ioprio_get, kWhoProcess, 0);
  }
  if (plan.oom_score_adj) {
    auto& out = outcome(report, Setting::oom_score_adj);
    out.errnum = put("/proc/self/oom_score_adj", p.oom_text.c_str(), p.oom_text.size());
    char text[16] = {};
    const int fd = ::open("/proc/self/oom_score_adj", O_RDONLY | O_CLOEXEC);
    if (fd >= 0) {
      if (::read(fd, text, sizeof text - 1) > 0) {
        long value = 0;
        const char* digit = text[0] == '-' ? text + 1 : text;
        for (; *digit >= '0' && *digit <= '9'; digit++) value = value * 10 + (*digit - '0');
        out.in_force = text[0] == '-' ? -value : value;
      }
      ::close(fd);
    }
  }
  if (plan.affinity) {
    auto& out = outcome(report, Setting::affinity);
    if (::sched_setaffinity(0, p.mask_size, p.mask) != 0) out.errnum = errno;
    if (::sched_getaffinity(0, p.mask_size, p.mask) == 0) out.in_force = CPU_COUNT_S(p.mask_size, p.mask);
  }
  if (plan.data_limit) {
    auto& out = outcome(report, Setting::data_limit);
    rlimit limit{*plan.data_limit, *plan.data_limit};
    if (::setrlimit(RLIMIT_DATA, &limit) != 0) out.errnum = errno;
    if (::getrlimit(RLIMIT_DATA, &limit) == 0) out.in_force = static_cast<long>(limit.rlim_cur);
  }
}

/// Everything from the clone to the exec. Returns only on failure, with the report saying where.
/// `enter_v2`: this process was not born in the v2 cgroup and has to move there itself.
void run_child(const Prepared& p, Report& report, bool enter_v2, void (*before_exec)(void*), void* context) {
  const SpawnPlan& plan = p.plan;
  const auto fail = [&](Stage stage, int errnum) {
    report.stage = stage;
    report.errnum = errnum;
  };
  if (enter_v2 && plan.cgroup_procs >= 0 && ::write(plan.cgroup_procs, "0", 1) != 1)
    return fail(Stage::entering_v2, errno);
  for (const int tasks : plan.v1_tasks)
    if (::write(tasks, "0", 1) != 1) return fail(Stage::entering_v1, errno);

  // exec resets what is handled; what is ignored it passes on. An agent's SIGPIPE, or the SIGINT that a shell
  // ignores for its background jobs, must not be the workload's lot: it could neither end on a closed pipe
  // nor be stopped.
  for (const int number : {SIGINT, SIGQUIT, SIGPIPE, SIGTERM, SIGALRM, SIGUSR1, SIGUSR2, SIGCHLD, SIGTSTP,
                           SIGTTIN, SIGTTOU, SIGXFSZ})
    ::signal(number, SIG_DFL);
  // SIGHUP stays as the caller has it (nohup), and is ignored where our terminal may close.
  if (plan.ignore_hangup) ::signal(SIGHUP, SIG_IGN);
  if (plan.own_session && ::setsid() < 0) return fail(Stage::session, errno);
  if (plan.own_group) {
    if (::setpgid(0, 0) != 0) return fail(Stage::group, errno);
    // SIGTTOU is still blocked here.
    if (plan.terminal >= 0) ::tcsetpgrp(plan.terminal, ::getpid());
  }
  if (plan.workdir && ::chdir(plan.workdir->c_str()) != 0) return fail(Stage::workdir, errno);
  apply_settings(p, report);
  for (size_t i = 0; i < kSettingCount; i++)
    if ((plan.required >> i & 1) && report.settings[i].errnum != 0) {
      report.setting = static_cast<Setting>(i);
      return fail(Stage::required_setting, report.settings[i].errnum);
    }
  const int streams[] = {plan.in, plan.out, plan.err};
  for (int target = 0; target < 3; target++) {
    if (streams[target] < 0) continue;
    // dup2 onto itself would leave close-on-exec set.
    const bool same = streams[target] == target;
    if (same ? ::fcntl(target, F_SETFD, 0) != 0 : ::dup2(streams[target], target) < 0)
      return fail(Stage::stdio, errno);
  }
  if (before_exec) before_exec(context);
  sigset_t none;
  sigemptyset(&none);
  ::sigprocmask(SIG_SETMASK, &none, nullptr);
  ::execve(plan.program.c_str(), p.argv.data(), p.environment.data());
  if (errno == ENOEXEC) ::execve("/bin/sh", p.shell_argv.data(), p.environment.data());
  fail(Stage::executing, errno);
}

constexpr const char* kSettingText[kSettingCount] = {"nice",          "autogroup",    "SCHED_BATCH", "ionice",
                                                     "oom_score_adj", "CPU affinity", "RLIMIT_DATA"};

Error error_of(const Report& report, const SpawnPlan& plan) {
  Error error;
  error.step = kStageText[static_cast<size_t>(report.stage)];
  error.errnum = report.errnum;
  switch (report.stage) {
    case Stage::workdir: error.object = plan.workdir.value_or(""); break;
    case Stage::required_setting: error.object = kSettingText[static_cast<size_t>(report.setting)]; break;
    case Stage::executing:
      error.object = plan.program;
      error.exit = report.errnum == ENOENT ? ExitCode::not_found : ExitCode::not_executable;
      if (report.errnum == ENOENT) error.hint = "its interpreter or loader is missing";
      if (report.errnum == ENOMEM) error.hint = "is its memory limit too small to start it?";
      break;
    default: break;
  }
  return error;
}

clone_args clone_arguments(uint64_t flags, int* pidfd, int cgroup) {
  clone_args arguments{};
  arguments.flags = flags | CLONE_PIDFD | (cgroup >= 0 ? CLONE_INTO_CGROUP : 0);
  arguments.pidfd = reinterpret_cast<uint64_t>(pidfd);
  arguments.exit_signal = SIGCHLD;
  arguments.cgroup = cgroup >= 0 ? static_cast<uint64_t>(cgroup) : 0;
  return arguments;
}

/// clone3 as fork: the child goes on as a copy. Returns -1 with errno.
long clone_copy(int* pidfd, int cgroup) {
  clone_args arguments = clone_arguments(0, pidfd, cgroup);
  return ::syscall(SYS_clone3, &arguments, sizeof arguments);
}

#if defined(__x86_64__) || defined(__aarch64__)
/// clone3 as vfork with a stack of its own: the child runs `body(argument)` in our memory while we sleep,
/// until it execs or exits. Nothing is copied: no page tables, no copy-on-write fault of any page that either
/// touches, which is most of what a fork costs. glibc has no wrapper for this with a cgroup; libc itself does
/// the same in posix_spawn(3). Returns -errno.
long clone_sharing_memory(clone_args& arguments, void (*body)(void*), void* argument) {
#if defined(__x86_64__)
  register long number asm("rax") = SYS_clone3;
  register clone_args* first asm("rdi") = &arguments;
  register size_t second asm("rsi") = sizeof arguments;
  register void (*function)(void*) asm("r12") = body;
  register void* its_argument asm("r13") = argument;
  asm volatile(
      "syscall\n\t"
      "test %%rax, %%rax\n\t"
      "jnz 1f\n\t"
      "xor %%ebp, %%ebp\n\t"
      "mov %%r13, %%rdi\n\t"
      "call *%%r12\n\t"
      "ud2\n\t"
      "1:"
      : "+r"(number)
      : "r"(first), "r"(second), "r"(function), "r"(its_argument)
      : "rcx", "r11", "memory", "cc");
  return number;
#else
  register long number asm("x8") = SYS_clone3;
  register clone_args* first asm("x0") = &arguments;
  register size_t second asm("x1") = sizeof arguments;
  register void (*function)(void*) asm("x19") = body;
  register void* its_argument asm("x20") = argument;
  asm volatile(
      "svc #0\n\t"
      "cbnz x0, 1f\n\t"
      "mov x29, xzr\n\t"
      "mov x0, x20\n\t"
      "blr x19\n\t"
      "brk #1\n\t"
      "1:"
      : "+r"(first)
      : "r"(number), "r"(second), "r"(function), "r"(its_argument)
      : "memory", "cc");
  return reinterpret_cast<long>(first);
#endif
}
#else
long clone_sharing_memory(clone_args&, void (*)(void*), void*) { return -ENOSYS; }
#endif

/// All signals blocked for the caller's scope, so that none of our handlers ever runs in the child.
class BlockedSignals {
 public:
  BlockedSignals() {
    sigset_t all;
    sigfillset(&all);
    ::sigprocmask(SIG_SETMASK, &all, &before_);
  }
  ~BlockedSignals() { ::sigprocmask(SIG_SETMASK, &before_, nullptr); }
  BlockedSignals(const BlockedSignals&) = delete;
  BlockedSignals& operator=(const BlockedSignals&) = delete;

 private:
  sigset_t before_;
};

}  // namespace

namespace {

/// What the child gets: all that it may touch.
struct ChildTask {
  const Prepared* prepared;
  Report* report;
  bool enter_v2;
};

void child_main(void* opaque) {
  auto& task = *static_cast<ChildTask*>(opaque);
  run_child(*task.prepared, *task.report, task.enter_v2, nullptr, nullptr);
  ::_exit(static_cast<int>(ExitCode::ours));
}

/// The stack of a child that shares our memory, with a page below it that stops an overflow.
class ChildStack {
 public:
  ChildStack()
      : memory_(
            ::mmap(nullptr, kSize, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_STACK, -1, 0)) {
    if (memory_ != MAP_FAILED) ::mprotect(memory_, kGuard, PROT_NONE);
  }
  ~ChildStack() {
    if (memory_ != MAP_FAILED) ::munmap(memory_, kSize);
  }
  ChildStack(const ChildStack&) = delete;
  ChildStack& operator=(const ChildStack&) = delete;
  bool ok() const { return memory_ != MAP_FAILED; }
  uint64_t low() const { return reinterpret_cast<uint64_t>(memory_) + kGuard; }
  static constexpr uint64_t size() { return kSize - kGuard; }

 private:
  static constexpr size_t kGuard = 65536, kSize = kGuard + 128 * 1024;
  void* memory_;
};

/// Starts the child and returns once it has become the workload or died on the way: it runs in our memory
/// while we sleep, so `report` needs no pipe to come back by. Returns the PID or -1 with errno.
long start_child(ChildTask& task, int cgroup, int* pidfd) {
  const ChildStack stack;
  if (!stack.ok()) return -1;
  clone_args arguments = clone_arguments(CLONE_VM | CLONE_VFORK, pidfd, cgroup);
  arguments.stack = stack.low();
  arguments.stack_size = ChildStack::size();
  const long pid = clone_sharing_memory(arguments, child_main, &task);
  if (pid >= 0) return pid;
  errno = static_cast<int>(-pid);
  return -1;
}

/// The same by fork alone, for kernels and sandboxes without clone3: a pipe that closes at exec takes the
/// place of shared time, and shared memory that of shared memory.
long start_child_by_fork(ChildTask task, int* pidfd) {
  void* shared = ::mmap(nullptr, sizeof(Report), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
  if (shared == MAP_FAILED) return -1;
  Report* far = new (shared) Report;
  std::swap(far, task.report);
  int gate[2];
  long pid = ::pipe2(gate, O_CLOEXEC) == 0 ? ::fork() : -1;
  if (pid == 0) child_main(&task);
  if (pid > 0) {
    *pidfd = static_cast<int>(::syscall(SYS_pidfd_open, pid, 0));
    ::close(gate[1]);
    char byte;
    while (::read(gate[0], &byte, 1) < 0 && errno == EINTR) {
    }
    ::close(gate[0]);
    *far = *task.report;
  }
  const int failed = errno;
  ::munmap(shared, sizeof(Report));
  errno = failed;
  return pid;
}

}  // namespace

Result<Spawned> spawn(const SpawnPlan& plan) {
  const Prepared prepared(plan);
  Report report;
  ChildTask task{&prepared, &report, false};
  const BlockedSignals blocked;
  int pidfd = -1;
  bool born = plan.cgroup >= 0;
  long pid = start_child(task, plan.cgroup, &pidfd);
  if (pid < 0 && plan.cgroup >= 0) {
    // Refused by an old kernel (E2BIG, EINVAL), a sandbox (ENOSYS, EPERM) or the tree (EACCES, EBUSY,
    // EOPNOTSUPP): whatever it was, the child can still try to move itself before it does anything else. A
    // leaf that is gone is gone for that way as well.
    if (errno == ENOENT || errno == ENODEV) return sys_error(kEnteringCgroup, "");
    born = false;
    task.enter_v2 = true;
    pid = start_child(task, -1, &pidfd);
  }
  if (pid < 0) {
    task.enter_v2 = plan.cgroup >= 0;
    pid = start_child_by_fork(task, &pidfd);
  }
  if (pid < 0)
    return sys_error("starting the workload", "", errno,
                     errno == EAGAIN ? "too many processes (see ulimit -u, pids.max)" : "");
  Fd held(pidfd);
  const auto reap = [&] {
    while (::waitpid(static_cast<pid_t>(pid), nullptr, 0) < 0 && errno == EINTR) {
    }
    if (plan.terminal >= 0) ::tcsetpgrp(plan.terminal, ::getpgrp());
  };
  if (report.stage != Stage::cloned) {
    reap();
    return std::unexpected(error_of(report, plan));
  }
  auto process = ProcessRef::adopt_child(static_cast<pid_t>(pid), std::move(held));
  if (!process) {  // /proc is not there: we could never name this process again, so we must not leave it
                   // behind
    ::kill(static_cast<pid_t>(pid), SIGKILL);
    reap();
    return std::unexpected(process.error());
  }
  return Spawned{std::move(*process), report.settings, born};
}

Error become(const SpawnPlan& plan, const std::array<SettingOutcome, kSettingCount>** outcomes,
             void (*before_exec)(void*), void* context) {
  const Prepared prepared(plan);
  Report report;
  if (outcomes) *outcomes = &report.settings;
  run_child(prepared, report, true, before_exec, context);
  return error_of(report, plan);
}

namespace {

/// What the holder may know: it lives beside us in our memory, so it makes plain system calls that cannot
/// fail, and touches nothing else (not even errno, which is ours).
struct HolderTask {
  int pipe;
};

void holder_main(void* opaque) {
  const int pipe = static_cast<HolderTask*>(opaque)->pipe;
  // Our copy of the write end must go, or the pipe would never end; and nothing else is held for anybody.
  ::syscall(SYS_close_range, 0u, static_cast<unsigned>(pipe) - 1, 0);
  ::syscall(SYS_close_range, static_cast<unsigned>(pipe) + 1, ~0u, 0);
  char byte;
  while (::syscall(SYS_read, pipe, &byte, 1) > 0) {
  }
  ::syscall(SYS_exit, 0);
}

}  // namespace

Result<Fd> hold_cgroup(int cgroup) {
  int ends[2];
  if (::pipe2(ends, O_CLOEXEC) != 0) return sys_error("making a pipe", "");
  Fd read_end(ends[0]), write_end(ends[1]);
  static HolderTask task;  // one a process; its stack and this outlive the call
  static ChildStack* stack = new ChildStack;
  task.pipe = read_end.get();
  int pidfd = -1;
  clone_args arguments = clone_arguments(CLONE_VM, &pidfd, cgroup);
  arguments.exit_signal = 0;  // nobody is told of its end: init reaps it after us
  arguments.stack = stack->low();
  arguments.stack_size = ChildStack::size();
  const BlockedSignals blocked;  // it inherits the mask: signals of a terminal are not for it
  const long pid = stack->ok() ? clone_sharing_memory(arguments, holder_main, &task) : -ENOMEM;
  if (pid < 0) return sys_error("holding a cgroup", "", static_cast<int>(-pid));
  ::close(pidfd);
  return write_end;
}

Result<pid_t> fork_into(int cgroup) {
  int pidfd = -1;
  long pid = cgroup >= 0 ? clone_copy(&pidfd, cgroup) : -1;
  // A base that is gone is to be made again, not left aside.
  if (pid < 0 && (cgroup < 0 || (errno != ENOENT && errno != ENODEV))) pid = ::fork();
  if (pid < 0) return sys_error("starting the recorder", "");
  if (pidfd >= 0 && pid > 0) ::close(pidfd);
  return static_cast<pid_t>(pid);
}

Result<std::string> find_program(const std::string& name, const std::vector<std::string>& environment,
                                 const std::optional<std::string>& workdir) {
  const auto failure = [&](ExitCode code, int errnum, std::string hint) {
    Error error{code == ExitCode::not_found ? "command not found:" : "command cannot be executed:", name,
                errnum, std::move(hint), code};
    return std::unexpected(error);
  };
  if (name.empty()) return failure(ExitCode::not_found, 0, "its name is empty");
  // A relative name is looked up where the workload will stand.
  const auto at = [&](const std::string& path) {
    return path.starts_with("/") || !workdir ? path : *workdir + "/" + path;
  };
  const auto judge = [&](const std::string& path) -> int {  // 0, or why not
    struct stat info {};
    // A folder that may not be searched says nothing about a file in it.
    if (::stat(at(path).c_str(), &info) != 0) return errno == EACCES ? ENOENT : errno;
    if (S_ISDIR(info.st_mode)) return EISDIR;
    return ::faccessat(AT_FDCWD, at(path).c_str(), X_OK, AT_EACCESS) == 0 ? 0 : errno;
  };
  if (name.find('/') != std::string::npos) {
    const int wrong = judge(name);
    if (wrong == 0) return name;
    if (wrong == ENOENT || wrong == ENOTDIR) return failure(ExitCode::not_found, wrong, "");
    return failure(ExitCode::not_executable, wrong, wrong == EACCES ? "chmod +x makes a program of it" : "");
  }
  std::string_view path = "/usr/local/bin:/usr/bin:/bin";
  for (const auto& variable : environment)
    if (variable.starts_with("PATH=")) path = std::string_view(variable).substr(5);
  int found_but = 0;
  for (std::string_view folder : split(path, ':')) {
    const std::string candidate = (folder.empty() ? "." : std::string(folder)) + "/" + name;
    const int wrong = judge(candidate);
    if (wrong == 0) return candidate;
    if (wrong == EACCES) found_but = wrong;
  }
  if (found_but != 0) return failure(ExitCode::not_executable, found_but, "");
  return failure(ExitCode::not_found, 0, "not in PATH; is it installed?");
}

}  // namespace ffrtmp
