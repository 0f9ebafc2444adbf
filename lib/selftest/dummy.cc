#include "selftest/dummy.h"

#include <fcntl.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <cstdlib>
#include <ctime>

#include "proc/cpu_set.h"
#include "sys/clock.h"
#include "sys/file.h"
#include "sys/json.h"
#include "sys/text.h"

namespace ffrtmp {

namespace {

/// Whatever happens to those who wait for it, a dummy is gone after this.
constexpr unsigned kLongestLifeS = 20;

Result<int> tell(const Json& found) {
  TRY_OK(write_all(STDOUT_FILENO, dump_json(found) + "\n"));
  return 0;
}

double cpu_time() {
  timespec used{};
  ::clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &used);
  return static_cast<double>(used.tv_sec) + static_cast<double>(used.tv_nsec) / 1e9;
}

Result<int> burn(Duration time) {
  const Duration begin = monotonic_now();
  const double before = cpu_time();
  while (monotonic_now() - begin < time) {
  }
  return tell({{"cpu_s", cpu_time() - before}, {"wall_s", seconds_of(monotonic_now() - begin)}});
}

Result<int> touch(uint64_t bytes) {
  constexpr uint64_t kPage = 4096;
  void* memory = ::mmap(nullptr, bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  if (memory == MAP_FAILED) return tell({{"touched", 0}, {"errno", errno}});
  auto* page = static_cast<volatile char*>(memory);
  for (uint64_t at = 0; at < bytes; at += kPage) page[at] = 1;
  return tell({{"touched", bytes}, {"errno", 0}});
}

Result<int> fill_cache(const std::string& path, uint64_t bytes) {
  TRY(const Fd file, open_at(AT_FDCWD, path, O_WRONLY | O_CREAT | O_TRUNC));
  const std::string block(256 * 1024, 'x');
  uint64_t written = 0;
  while (written < bytes && write_all(file.get(), block)) written += block.size();
  return tell({{"written", written}});
}

Result<int> fork_many(uint64_t count) {
  std::vector<pid_t> children;
  int error = 0;
  while (children.size() < count) {
    const pid_t pid = ::fork();
    if (pid == 0) {
      ::prctl(PR_SET_PDEATHSIG, SIGKILL);  // they are nobody's workload: they go with us
      ::alarm(kLongestLifeS);
      ::pause();
      ::_exit(0);
    }
    if (pid < 0) {
      error = errno;
      break;
    }
    children.push_back(pid);
  }
  for (const pid_t pid : children) ::kill(pid, SIGKILL);
  for (const pid_t pid : children) ::waitpid(pid, nullptr, 0);
  return tell({{"children", children.size()}, {"errno", error}});
}

Result<int> write_through(const std::string& path, Duration time) {
  constexpr size_t kBlock = 64 * 1024, kMost = 32 << 20;
  const auto file = open_at(AT_FDCWD, path, O_WRONLY | O_CREAT | O_TRUNC | O_DIRECT);
  if (!file) return tell({{"written", 0}, {"wall_s", 0}, {"errno", file.error().errnum}});
  void* block = nullptr;
  if (::posix_memalign(&block, 4096, kBlock) != 0) return sys_error("allocating", "", ENOMEM);
  std::fill_n(static_cast<char*>(block), kBlock, 'x');
  const Duration begin = monotonic_now();
  uint64_t written = 0;
  int error = 0;
  while (monotonic_now() - begin < time && written < kMost && error == 0) {
    const ssize_t size = ::write(file->get(), block, kBlock);
    if (size > 0)
      written += static_cast<uint64_t>(size);
    else if (errno != EINTR)
      error = errno;
  }
  ::free(block);
  return tell({{"written", written}, {"wall_s", seconds_of(monotonic_now() - begin)}, {"errno", error}});
}

Result<int> tell_settings() {
  constexpr int kWhoProcess = 1;  // IOPRIO_WHO_PROCESS: glibc has no header for it
  const auto adj = parse_i64(trim(read_or_empty(AT_FDCWD, "/proc/self/oom_score_adj")));
  const auto cpus = affinity_of(0);
  return tell({{"nice", ::getpriority(PRIO_PROCESS, 0)},
               {"ionice", ::syscall(SYS_ioprio_get, kWhoProcess, 0)},
               {"oom_score_adj", adj ? Json(*adj) : Json(nullptr)},
               {"cpus", cpus ? Json(format_cpu_list(*cpus)) : Json(nullptr)}});
}

}  // namespace

Result<int> run_dummy(const std::vector<std::string>& words) {
  ::alarm(kLongestLifeS);
  const auto number = [&](size_t i) { return words.size() > i ? parse_u64(words[i]).value_or(0) : 0; };
  const auto milliseconds = [&](size_t i) {
    return std::chrono::milliseconds(std::min<uint64_t>(number(i), kLongestLifeS * 1000));
  };
  constexpr uint64_t kMostBytes = 256 << 20, kMostChildren = 64;
  const std::string mode = words.empty() ? "" : words[0];
  if (mode == "cpu") return burn(milliseconds(1));
  if (mode == "memory") return touch(std::min(number(1), kMostBytes));
  if (mode == "fork") return fork_many(std::min(number(1), kMostChildren));
  if (mode == "settings") return tell_settings();
  if (mode == "cache" && words.size() == 3) return fill_cache(words[1], std::min(number(2), kMostBytes));
  if (mode == "write" && words.size() == 3) return write_through(words[1], milliseconds(2));
  if (mode == "sleep") {
    ::pause();
    return 0;
  }
  return bad_input("selftest-dummy is started by ffrtmp selftest only", "", "see ffrtmp selftest --help");
}

}  // namespace ffrtmp
