#include "why/counters.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <charconv>

#include "cgroup/kernel_files.h"
#include "cgroup/knobs.h"
#include "cgroup/meters.h"
#include "jobs/live.h"
#include "jobs/media.h"
#include "proc/processes.h"
#include "proc/procfs.h"
#include "sys/clock.h"
#include "sys/file.h"
#include "sys/text.h"

namespace ffrtmp {

namespace {

std::optional<double> pressure_s(const std::string& text) {
  const auto total = pressure_total(text, "some");
  if (!total) return std::nullopt;
  return static_cast<double>(*total) / 1e6;
}

std::optional<double> host_pressure(const char* what) {
  return pressure_s(read_or_empty(AT_FDCWD, std::string("/proc/pressure/") + what));
}

template <class T>
std::optional<T> in_force(const Knobs& with, int dir, const std::string& prefix, LimitKind kind, T like) {
  const auto value = with.read(dir, prefix, Limit{kind, like, ""});
  if (!value || !*value) return std::nullopt;
  const T* held = std::get_if<T>(&**value);
  return held ? std::optional(*held) : std::nullopt;
}

std::optional<uint64_t> bytes_in_force(const Knobs& with, int dir, const std::string& prefix,
                                       LimitKind kind) {
  const auto bytes = in_force(with, dir, prefix, kind, Bytes{1});
  return bytes ? std::optional(bytes->count) : std::nullopt;
}

void read_cpu_level(const CgroupDir& dir, const std::string& prefix, LevelCounters& level) {
  const bool v2 = dir.hierarchy.dialect == Dialect::v2;
  level.quota = in_force(knobs(dir.hierarchy.dialect), dir.fd.get(), prefix, LimitKind::cpu_max, CpuMax{1});
  const std::string stat = read_or_empty(dir.fd.get(), prefix + kCpuStat);
  level.periods = keyed_value(stat, "nr_periods");
  level.throttled_periods = keyed_value(stat, "nr_throttled");
  if (const auto time = keyed_value(stat, v2 ? "throttled_usec" : "throttled_time"))
    level.throttled_s = static_cast<double>(*time) / (v2 ? 1e6 : 1e9);
}

void read_memory_level(const CgroupDir& dir, const std::string& prefix, LevelCounters& level) {
  const Knobs& with = knobs(dir.hierarchy.dialect);
  level.max = bytes_in_force(with, dir.fd.get(), prefix, LimitKind::memory_max);
  if (dir.hierarchy.dialect == Dialect::v1) {
    level.max_events = parse_u64(trim(read_or_empty(dir.fd.get(), prefix + kV1MemoryFailcnt)));
    return;
  }
  level.high = bytes_in_force(with, dir.fd.get(), prefix, LimitKind::memory_high);
  // .local: hits of this very cgroup's limit, not of those below it.
  const std::string events = read_or_empty(dir.fd.get(), prefix + kMemoryEventsLocal);
  level.high_events = keyed_value(events, "high");
  level.max_events = keyed_value(events, "max");
}

/// The cgroup and all above it, as far as the mount shows them.
std::vector<LevelCounters> read_levels(const CgroupDir& dir,
                                       void (*read)(const CgroupDir&, const std::string&, LevelCounters&)) {
  std::vector<LevelCounters> out;
  std::string prefix, path = dir.path;
  for (int depth = dir.depth(); depth > 0; depth--) {
    LevelCounters& level = out.emplace_back();
    level.path = path;
    read(dir, prefix, level);
    prefix += "../";
    path.erase(path.rfind('/'));
  }
  return out;
}

constexpr size_t kMostThreads = 4096;

void read_threads(const std::vector<pid_t>& pids, std::map<pid_t, ThreadCounters>& into) {
  for (const pid_t pid : pids) {
    const auto tasks = open_dir(AT_FDCWD, "/proc/" + std::to_string(pid) + "/task");
    if (!tasks) continue;
    for (const auto& name : names_in(tasks->get())) {
      const auto tid = parse_u64(name);
      if (!tid || into.size() >= kMostThreads) continue;
      const std::string text = read_or_empty(tasks->get(), name + "/schedstat");
      const auto part = words(text);
      if (part.size() < 2) continue;
      ThreadCounters& thread = into[static_cast<pid_t>(*tid)];
      thread.name = std::string(trim(read_or_empty(tasks->get(), name + "/comm")));
      thread.cpu_s = static_cast<double>(parse_u64(part[0]).value_or(0)) / 1e9;
      thread.waited_s = static_cast<double>(parse_u64(part[1]).value_or(0)) / 1e9;
    }
  }
}

void read_others(const std::vector<pid_t>& own, std::map<pid_t, OtherCounters>& into) {
  const auto ticks = static_cast<double>(::sysconf(_SC_CLK_TCK));
  for (const pid_t pid : all_processes()) {
    if (into.size() >= kMostThreads) break;
    if (pid == ::getpid() || std::ranges::find(own, pid) != own.end()) continue;
    const auto stat = stat_of(pid);
    if (!stat || stat->zombie()) continue;
    into[pid] = {stat->comm, stat->start_ticks,
                 static_cast<double>(stat->utime_ticks + stat->stime_ticks) / ticks};
  }
}

void read_media(const std::string& path, Counters& out) {
  struct stat info {};
  // The time before the text: a block that is written in between makes the media a moment too fast, never a
  // whole block too slow.
  if (path.empty() || ::stat(path.c_str(), &info) != 0) return;
  const auto progress = read_progress(path);
  if (!progress || progress->finished) return;
  out.media_s = progress->out_time_s;
  out.media_speed = progress->speed;
  out.media_at_s = static_cast<double>(info.st_mtim.tv_sec) + static_cast<double>(info.st_mtim.tv_nsec) / 1e9;
}

/// Where the kernel's names say for what a thread sleeps. They are functions of its own, without a promise
/// that they stay: what is not known here is no evidence. (Most waits for a socket end in wait_woken, which
/// tells nothing: those are read off the system call.)
constexpr std::string_view kSending[] = {"sk_stream_wait_memory", "tcp_sendmsg", "sock_alloc_send_pskb"};
constexpr std::string_view kReceiving[] = {"sk_wait_data", "tcp_recvmsg", "__skb_wait_for_more_packets",
                                           "skb_recv_udp", "inet_csk_accept"};
constexpr std::string_view kMemory[] = {"mem_cgroup", "try_charge", "reclaim", "memcg"};

/// The system call in which a thread sleeps, if its first argument is a socket: /proc/PID/task/TID/syscall,
/// "44 0x3 …"; readable with the rights to trace it.
void look_at_call(int tasks, const std::string& tid, ThreadLook& look) {
  const std::string text = read_or_empty(tasks, tid + "/syscall");
  const auto part = words(text);
  if (part.size() < 2 || !part[1].starts_with("0x")) return;  // "running"
  const auto number = parse_i64(part[0]);
  uint64_t fd = 0;
  const std::string_view hex = part[1].substr(2);
  if (!number || std::from_chars(hex.data(), hex.data() + hex.size(), fd, 16).ec != std::errc()) return;
  if (read_link(tasks, tid + "/fd/" + std::to_string(fd)).starts_with("socket:"))
    add_socket_wait(*number, look);
}

}  // namespace

void add_wait(char state, std::string_view wchan, ThreadLook& look) {
  const auto any = [&](const auto& names) {
    return std::ranges::any_of(names, [&](std::string_view name) { return wchan.contains(name); });
  };
  if (any(kSending)) look.sending = true;
  if (any(kReceiving)) look.receiving = true;
  if (state != 'D') return;  // an uninterruptible sleep: storage, nearly always
  if (any(kMemory))
    look.memory = true;
  else
    look.disk = true;
}

void add_socket_wait(long number, ThreadLook& look) {
  constexpr std::array kSends = {SYS_write, SYS_writev, SYS_sendto, SYS_sendmsg, SYS_sendmmsg, SYS_sendfile};
  constexpr std::array kReceives = {SYS_read,     SYS_readv,  SYS_recvfrom, SYS_recvmsg,
                                    SYS_recvmmsg, SYS_accept, SYS_accept4};
  if (std::ranges::find(kSends, number) != kSends.end()) look.sending = true;
  if (std::ranges::find(kReceives, number) != kReceives.end()) look.receiving = true;
}

Counters read_counters(const Leaf& leaf, pid_t main, const std::string& progress_path) {
  Counters out;
  out.at_s = seconds_of(monotonic_now());
  const Usage usage = read_usage(leaf);
  if (usage.cpu_user_s && usage.cpu_system_s) out.cpu_s = *usage.cpu_user_s + *usage.cpu_system_s;
  out.memory_bytes = usage.memory_bytes;
  out.memory_peak_bytes = usage.memory_peak_bytes;
  out.read_bytes = usage.io_read_bytes;
  out.write_bytes = usage.io_write_bytes;
  const auto own = [](const std::optional<uint64_t>& us) {
    return us ? std::optional(static_cast<double>(*us) / 1e6) : std::nullopt;
  };
  out.memory_pressure_s = own(usage.memory_pressure_us);
  out.io_pressure_s = own(usage.io_pressure_us);
  out.host_cpu_s = host_pressure("cpu");
  out.host_memory_s = host_pressure("memory");
  out.host_io_s = host_pressure("io");
  if (const auto* dir = leaf.of(Controller::cpu)) out.cpu_levels = read_levels(*dir, read_cpu_level);
  if (const auto* dir = leaf.of(Controller::memory)) out.memory_levels = read_levels(*dir, read_memory_level);
  const std::vector<pid_t> pids = processes_of(leaf, main);
  read_threads(pids, out.threads);
  read_others(pids, out.others);
  read_media(progress_path, out);
  return out;
}

ThreadLook look_at_threads(const std::vector<pid_t>& pids, pid_t main) {
  ThreadLook out;
  size_t looked = 0;
  bool running = false;
  for (const pid_t pid : pids) {
    const auto tasks = open_dir(AT_FDCWD, "/proc/" + std::to_string(pid) + "/task");
    if (!tasks) continue;
    for (const auto& name : names_in(tasks->get())) {
      if (++looked > kMostThreads / 16) return out;  // many times in a window: not all of a thousand
      const auto stat = parse_stat(read_or_empty(tasks->get(), name + "/stat"));
      if (!stat || stat->zombie()) continue;
      if (pid == main) (stat->state == 'T' ? out.stopped : running) = true;
      if (stat->state == 'R') continue;
      const std::string wchan = read_or_empty(tasks->get(), name + "/wchan");
      add_wait(stat->state, trim(wchan), out);
      if (stat->state == 'S') look_at_call(tasks->get(), name, out);
    }
  }
  out.stopped = out.stopped && !running;
  return out;
}

namespace {

template <class T>
std::optional<double> growth(const std::optional<T>& before, const std::optional<T>& after) {
  if (!before || !after || *after < *before) return std::nullopt;
  return static_cast<double>(*after - *before);
}

const LevelCounters* same_level(const std::vector<LevelCounters>& levels, const std::string& path) {
  const auto found = std::ranges::find(levels, path, &LevelCounters::path);
  return found == levels.end() ? nullptr : &*found;
}

/// The level that throttles most; the job's own quota where none does.
void add_quota(const Counters& before, const Counters& after, Observation& out) {
  for (size_t i = 0; i < after.cpu_levels.size(); i++) {
    const LevelCounters& level = after.cpu_levels[i];
    const LevelCounters* was = same_level(before.cpu_levels, level.path);
    if (!was) continue;
    if (i == 0) out.quota = level.quota;
    const auto periods = growth(was->periods, level.periods);
    const auto throttled = growth(was->throttled_periods, level.throttled_periods);
    if (!periods || !throttled) continue;
    const double share = *periods > 0 ? std::min(1.0, *throttled / *periods) : 0;
    if (i > 0 && share <= out.throttled_share.value_or(0)) continue;
    out.throttled_share = share;
    out.quota = level.quota;
    out.throttled_by = i == 0 ? "" : level.path;
    if (const auto time = growth(was->throttled_s, level.throttled_s))
      out.throttled_cpus = *time / out.window_s;
  }
}

void add_memory(const Counters& before, const Counters& after, Observation& out) {
  const auto tighter_of = [](std::optional<uint64_t>& into, const std::optional<uint64_t>& value) {
    if (value && (!into || *value < *into)) into = value;
  };
  for (size_t i = 0; i < after.memory_levels.size(); i++) {
    const LevelCounters& level = after.memory_levels[i];
    const LevelCounters* was = same_level(before.memory_levels, level.path);
    tighter_of(out.memory_high, level.high);
    tighter_of(out.memory_max, level.max);
    if (!was) continue;
    const auto high = growth(was->high_events, level.high_events);
    const auto max = growth(was->max_events, level.max_events);
    if (i > 0 && high.value_or(0) + max.value_or(0) == 0) continue;
    if (i > 0 && out.high_events.value_or(0) + out.max_events.value_or(0) > 0) continue;
    if (i > 0) out.memory_by = level.path;
    if (high) out.high_events = static_cast<uint64_t>(*high);
    if (max) out.max_events = static_cast<uint64_t>(*max);
  }
}

void add_threads(const Counters& before, const Counters& after, Observation& out) {
  double cpu = 0, waited = 0;
  for (const auto& [tid, thread] : after.threads) {
    const auto was = before.threads.find(tid);
    // One that was born in between has all of its time in the window.
    const double cpu_before = was == before.threads.end() ? 0 : was->second.cpu_s;
    const double waited_before = was == before.threads.end() ? 0 : was->second.waited_s;
    const double used = std::max(0.0, thread.cpu_s - cpu_before) / out.window_s;
    cpu += used;
    waited += std::max(0.0, thread.waited_s - waited_before) / out.window_s;
    if (used <= out.busiest_thread) continue;
    out.busiest_thread = used;
    out.busiest_name = thread.name;
  }
  if (after.threads.empty()) return;
  out.waiting_cpus = waited;
  if (!out.cpus_used) out.cpus_used = cpu;
}

void add_others(const Counters& before, const Counters& after, Observation& out) {
  for (const auto& [pid, other] : after.others) {
    const auto was = before.others.find(pid);
    const bool same = was != before.others.end() && was->second.start_ticks == other.start_ticks;
    const double cpus = std::max(0.0, other.cpu_s - (same ? was->second.cpu_s : 0)) / out.window_s;
    if (!out.busiest_other || cpus > out.busiest_other->cpus) out.busiest_other = {other.name, pid, cpus};
  }
}

}  // namespace

Observation difference(const Counters& before, const Counters& after) {
  Observation out;
  out.window_s = std::max(1e-3, after.at_s - before.at_s);
  const auto rate = [&](const auto& from, const auto& to) -> std::optional<double> {
    const auto grown = growth(from, to);
    return grown ? std::optional(*grown / out.window_s) : std::nullopt;
  };
  const auto share = [&](const auto& from, const auto& to) -> std::optional<double> {
    const auto found = rate(from, to);
    return found ? std::optional(std::min(1.0, *found)) : std::nullopt;
  };
  out.cpus_used = rate(before.cpu_s, after.cpu_s);
  out.memory_bytes = after.memory_bytes;
  out.memory_peak_bytes = after.memory_peak_bytes;
  out.read_bps = rate(before.read_bytes, after.read_bytes);
  out.write_bps = rate(before.write_bytes, after.write_bytes);
  out.memory_pressure = share(before.memory_pressure_s, after.memory_pressure_s);
  out.io_pressure = share(before.io_pressure_s, after.io_pressure_s);
  out.host_cpu = share(before.host_cpu_s, after.host_cpu_s);
  out.host_memory = share(before.host_memory_s, after.host_memory_s);
  out.host_io = share(before.host_io_s, after.host_io_s);
  add_quota(before, after, out);
  add_memory(before, after, out);
  add_threads(before, after, out);
  add_others(before, after, out);
  // FFmpeg tells twice a second: the time between two tellings is by the file's own time, not by our looks.
  const double told_apart = after.media_at_s - before.media_at_s;
  if (before.media_s && after.media_s && told_apart > 0.2)
    out.speed = std::max(0.0, *after.media_s - *before.media_s) / told_apart;
  else
    out.speed = after.media_speed;
  return out;
}

}  // namespace ffrtmp
