#include "why/watch.h"

#include <algorithm>
#include <thread>

#include "jobs/live.h"
#include "proc/cpu_set.h"
#include "proc/process_ref.h"
#include "sys/clock.h"
#include "sys/file.h"
#include "sys/text.h"
#include "why/counters.h"

namespace ffrtmp {

namespace {

using namespace std::chrono_literals;

/// How many CPUs the kernel has online.
unsigned host_cpus() {
  const auto text = read_file("/sys/devices/system/cpu/online");
  const auto list = text ? parse_cpu_list(trim(*text)) : bad_input("", "");
  return list ? static_cast<unsigned>(list->cpus.size()) : 0;
}

/// The disks that the receipt limits, as they are in force.
std::vector<IoMax> io_limits_of(const Receipt& receipt) {
  std::vector<IoMax> out;
  for (const auto& row : receipt.rows) {
    if (row.name != limit_name(LimitKind::io_max) || row.strength != Strength::enforced) continue;
    const std::string& text = row.effective.raw.empty() ? row.in_force.raw : row.effective.raw;
    const auto parsed = parse_io_max_text(text);
    if (!parsed) continue;
    IoMax limit = parsed->rates;
    const auto colon = parsed->device.find(':');
    if (colon == std::string::npos) continue;
    limit.device.major = static_cast<unsigned>(parse_u64(parsed->device.substr(0, colon)).value_or(0));
    limit.device.minor = static_cast<unsigned>(parse_u64(parsed->device.substr(colon + 1)).value_or(0));
    out.push_back(limit);
  }
  return out;
}

std::string unseen_by(const Counters& counters, const Leaf& leaf) {
  std::vector<std::string> parts;
  if (leaf.dirs.empty()) parts.push_back("it has no cgroup: only its processes were looked at");
  if (!counters.host_cpu_s) parts.push_back("no PSI on this kernel (boot with psi=1)");
  if (!leaf.dirs.empty() && !counters.memory_pressure_s && counters.host_cpu_s)
    parts.push_back("its cgroup tells no pressure (cgroup v1)");
  return join(parts, "; ");
}

}  // namespace

Result<Observation> watch_job(const Host& host, const StoredJob& job, Duration window) {
  const Record& record = job.record;
  if (!record.workload || !is_alive(*record.workload))
    return sys_error("watching job", record.job_id, ESRCH, "its main process has ended");
  const pid_t main = record.workload->pid;
  const Leaf leaf = leaf_of(host, record);
  const Counters before = read_counters(leaf, main, record.progress_path);

  unsigned looks = 0, disk = 0, memory = 0, sending = 0, receiving = 0;
  bool stopped = false;
  const Duration end = monotonic_now() + window;
  constexpr Duration kBetweenLooks = 50ms;
  while (monotonic_now() < end) {
    const ThreadLook look = look_at_threads(processes_of(leaf, main), main);
    looks++;
    disk += look.disk, memory += look.memory, sending += look.sending, receiving += look.receiving;
    stopped = look.stopped;  // as it is now: the signal may take effect while we watch
    std::this_thread::sleep_for(std::min(kBetweenLooks, std::max(Duration(0), end - monotonic_now())));
  }

  const Counters after = read_counters(leaf, main, record.progress_path);
  if (!is_alive(*record.workload))
    return sys_error("watching job", record.job_id, ESRCH, "it ended meanwhile: ask again");
  Observation out = difference(before, after);
  const auto share = [&](unsigned count) { return static_cast<double>(count) / std::max(1u, looks); };
  out.disk_wait = share(disk);
  out.memory_wait = share(memory);
  const auto connections = tcp_connections_of(processes_of(leaf, main));
  out.network = NetworkView{share(sending), share(receiving),
                            connections ? network_standstill(*connections) : std::nullopt};
  out.stopped = stopped;
  if (const auto allowed = affinity_of(main)) out.cpus_allowed = static_cast<unsigned>(allowed->cpus.size());
  out.cpus_host = std::max(host_cpus(), out.cpus_allowed);
  out.io_limits = io_limits_of(record.receipt);
  out.unseen = unseen_by(after, leaf);
  return out;
}

}  // namespace ffrtmp
