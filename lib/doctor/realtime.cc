#include <fcntl.h>
#include <sys/utsname.h>

#include <algorithm>

#include "cgroup/kernel_files.h"
#include "doctor/doctor.h"
#include "proc/capture.h"
#include "proc/procfs.h"
#include "sys/file.h"
#include "sys/text.h"

namespace ffrtmp {

namespace {

/// Field 41 of /proc/PID/stat, proc(5): SCHED_FIFO 1, SCHED_RR 2. (SCHED_DEADLINE is not of the groups.)
bool is_realtime(std::string_view stat) {
  const size_t close = stat.rfind(')');
  if (close == std::string_view::npos) return false;
  const std::string rest(stat.substr(close + 1));
  const auto part = words(std::string_view(rest));
  constexpr size_t kPolicy = 41 - 3;  // what follows the name starts at field 3
  return part.size() > kPolicy && (part[kPolicy] == "1" || part[kPolicy] == "2");
}

std::vector<RealtimeThread> realtime_threads() {
  std::vector<RealtimeThread> out;
  const auto proc = open_dir(AT_FDCWD, "/proc");
  if (!proc) return out;
  for (const auto& pid_text : names_in(proc->get())) {
    const auto pid = parse_u64(pid_text);
    if (!pid) continue;
    const auto process = parse_stat(read_or_empty(proc->get(), pid_text + "/stat"));
    if (!process || process->kernel_thread()) continue;
    const auto tasks = open_dir(proc->get(), pid_text + "/task");
    if (!tasks) continue;
    for (const auto& tid_text : names_in(tasks->get())) {
      const std::string stat = read_or_empty(tasks->get(), tid_text + "/stat");
      if (!is_realtime(stat)) continue;
      RealtimeThread thread;
      thread.pid = static_cast<pid_t>(*pid);
      thread.tid = static_cast<pid_t>(parse_u64(tid_text).value_or(0));
      thread.comm = process->comm;
      for (const auto& line : parse_proc_cgroup(read_or_empty(tasks->get(), tid_text + "/cgroup")))
        if (line.hierarchy == 0) thread.cgroup = line.path;
      out.push_back(thread);
    }
  }
  return out;
}

/// CONFIG_RT_GROUP_SCHED, wherever this kernel's configuration is told.
RealtimeGroups realtime_groups() {
  if (read_or_empty(AT_FDCWD, "/proc/cmdline").contains("rt_group_sched=0")) return RealtimeGroups::no;
  utsname kernel{};
  ::uname(&kernel);
  std::string config;
  for (const std::string& path : {std::string("/boot/config-") + kernel.release,
                                  std::string("/lib/modules/") + kernel.release + "/config"})
    if (config.empty())
      if (auto text = read_file(path)) config = *text;
  if (config.empty())
    if (const auto told = capture({"zcat", "/proc/config.gz"}, std::chrono::seconds(10)); told && told->ok())
      config = told->out;
  if (config.empty()) return RealtimeGroups::unknown;
  // 6.16 and later can have it built in and off.
  return config.contains("CONFIG_RT_GROUP_SCHED=y") &&
                 !config.contains("CONFIG_RT_GROUP_SCHED_DEFAULT_DISABLED=y")
             ? RealtimeGroups::yes
             : RealtimeGroups::no;
}

}  // namespace

Fact realtime_fact(RealtimeGroups groups, bool cpu_on_v2, bool enabled,
                   const std::vector<RealtimeThread>& threads) {
  if (!cpu_on_v2)
    return {
        "real time", Health::good, "the cpu controller is not on v2: real-time threads do not block it", {}};
  if (groups == RealtimeGroups::no)
    return {"real time",
            Health::good,
            "this kernel has no real-time groups: such threads do not block cpu limits",
            {}};
  if (enabled)
    return {"real time",
            Health::good,
            "the cpu controller is in use already: real-time threads did not block it",
            {}};
  std::vector<std::string> blocking, mend;
  for (const auto& thread : threads) {
    if (thread.cgroup == "/" || thread.cgroup.empty()) continue;  // the top is not asked
    blocking.push_back(thread.comm + " (" + std::to_string(thread.tid) + ") in " + thread.cgroup);
    mend.push_back("sudo chrt --other -p 0 " + std::to_string(thread.tid));
  }
  if (blocking.empty())
    return {"real time", Health::good, "no real-time thread outside the top cgroup blocks cpu limits", {}};
  constexpr size_t kShown = 4;
  const size_t more = blocking.size() > kShown ? blocking.size() - kShown : 0;
  blocking.resize(blocking.size() - more);
  return {"real time", groups == RealtimeGroups::yes ? Health::bad : Health::lesser,
          std::string("real-time threads ") + (groups == RealtimeGroups::yes ? "block" : "may block") +
              " the cpu controller: " + join(blocking, ", ") +
              (more ? " and " + std::to_string(more) + " more" : ""),
          mend};
}

Fact find_realtime(const Host& host) {
  const Hierarchy* h = host.of(Controller::cpu);
  const bool on_v2 = h && h->dialect == Dialect::v2;
  bool enabled = false;
  if (on_v2)
    if (const auto folder = h->folder(h->mount_root)) {
      const std::string text = read_or_empty(AT_FDCWD, *folder + "/" + kCgroupSubtreeControl);
      const auto names = words(std::string_view(text));
      enabled = std::ranges::find(names, "cpu") != names.end();
    }
  if (!on_v2 || enabled) return realtime_fact(RealtimeGroups::unknown, on_v2, enabled, {});
  return realtime_fact(realtime_groups(), on_v2, enabled, realtime_threads());
}

}  // namespace ffrtmp
