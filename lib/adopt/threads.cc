#include "adopt/threads.h"

#include <fcntl.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "proc/cpu_set.h"
#include "proc/procfs.h"
#include "sys/file.h"
#include "sys/text.h"

namespace ffrtmp {

namespace {

constexpr int kIoprioWhoProcess = 1;
constexpr int kIoprioClassShift = 13, kIoprioBestEffort = 2;

Result<int> nice_of(pid_t tid) {
  // The raw call: the C library's answer of -1 is a value and an error. It returns 20 - nice.
  const long raw = ::syscall(SYS_getpriority, PRIO_PROCESS, tid);
  if (raw < 0) return sys_error("reading the nice value of thread", std::to_string(tid));
  return static_cast<int>(20 - raw);
}

}  // namespace

std::string_view thread_setting_name(ThreadSetting setting) {
  switch (setting) {
    case ThreadSetting::nice: return "nice";
    case ThreadSetting::ionice: return "ionice";
    case ThreadSetting::affinity: return "affinity";
  }
  return "";
}

std::vector<ThreadRef> threads_of(const ProcessRef& process) {
  std::vector<ThreadRef> out;
  const auto tasks = open_dir(AT_FDCWD, "/proc/" + std::to_string(process.pid()) + "/task");
  if (!tasks) return out;
  for (const auto& name : folders_in(tasks->get())) {
    const auto stat = parse_stat(read_or_empty(tasks->get(), name + "/stat"));
    if (stat && !stat->zombie() && !stat->exiting()) out.push_back({stat->pid, stat->start_ticks});
  }
  // The folder was the process's own if that lives now: its number was not free in between.
  if (!process.alive()) out.clear();
  return out;
}

Result<std::string> read_thread(ThreadSetting setting, pid_t tid) {
  switch (setting) {
    case ThreadSetting::nice: {
      TRY(const int nice, nice_of(tid));
      return std::to_string(nice);
    }
    case ThreadSetting::ionice: {
      const long raw = ::syscall(SYS_ioprio_get, kIoprioWhoProcess, tid);
      if (raw < 0) return sys_error("reading the I/O priority of thread", std::to_string(tid));
      TRY(const int nice, nice_of(tid));
      // Some kernels give what they derive from the nice value where none was set: the two are not to be told
      // apart, and the first is by far the likelier.
      const long derived = kIoprioBestEffort << kIoprioClassShift | (nice + 20) / 5;
      return std::to_string(raw == derived || raw >> kIoprioClassShift == 0 ? 0 : raw);
    }
    case ThreadSetting::affinity: {
      TRY(const CpuList cpus, affinity_of(tid));
      return format_cpu_list(cpus);
    }
  }
  return bad_input("no such setting", "");
}

Status write_thread(ThreadSetting setting, pid_t tid, const std::string& text) {
  const auto number = parse_i64(text);
  switch (setting) {
    case ThreadSetting::nice:
      if (!number) return bad_input("not a nice value:", text);
      if (::setpriority(PRIO_PROCESS, static_cast<id_t>(tid), static_cast<int>(*number)) != 0)
        return sys_error("setting the nice value of thread", std::to_string(tid));
      return {};
    case ThreadSetting::ionice:
      if (!number) return bad_input("not an I/O priority:", text);
      if (::syscall(SYS_ioprio_set, kIoprioWhoProcess, tid, static_cast<int>(*number)) != 0)
        return sys_error("setting the I/O priority of thread", std::to_string(tid));
      return {};
    case ThreadSetting::affinity: {
      TRY(const CpuList cpus, parse_cpu_list(text));
      return set_affinity(tid, cpus);
    }
  }
  return bad_input("no such setting", "");
}

}  // namespace ffrtmp
