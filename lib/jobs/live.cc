#include "jobs/live.h"

#include <fcntl.h>
#include <unistd.h>

#include <algorithm>

#include "jobs/media.h"
#include "jobs/result.h"
#include "jobs/tail.h"
#include "proc/family.h"
#include "proc/processes.h"
#include "proc/procfs.h"
#include "sys/file.h"
#include "sys/text.h"

namespace ffrtmp {

namespace {

/// The main process alone, where there is no cgroup to count the rest.
void read_process(pid_t pid, Usage& usage) {
  const std::string folder = proc_path(pid);
  const auto stat = stat_of(pid);
  if (!stat) return;
  const auto ticks = static_cast<double>(::sysconf(_SC_CLK_TCK));
  if (!usage.cpu_user_s) {
    usage.cpu_user_s = static_cast<double>(stat->utime_ticks) / ticks;
    usage.cpu_system_s = static_cast<double>(stat->stime_ticks) / ticks;
  }
  if (!usage.memory_bytes)
    if (const auto statm = read_file(folder + "/statm"))
      if (const auto part = words(*statm); part.size() > 1)
        if (const auto pages = parse_u64(part[1]))
          usage.memory_bytes = *pages * static_cast<uint64_t>(::sysconf(_SC_PAGESIZE));
  if (!usage.io_read_bytes)
    if (const auto io = read_file(folder + "/io")) {
      usage.io_read_bytes = colon_value(*io, "read_bytes");
      usage.io_write_bytes = colon_value(*io, "write_bytes");
    }
  usage.source += usage.source.empty() ? "process" : " + process";
}

}  // namespace

std::vector<pid_t> processes_of(const Leaf& leaf, pid_t main) {
  std::vector<pid_t> out = leaf.dirs.empty() ? family_of(main) : leaf.processes();
  if (std::ranges::find(out, main) == out.end()) out.push_back(main);
  return out;
}

Usage live_usage(const Host& host, const StoredJob& job) {
  if (is_over(job.state)) return {};
  const Leaf leaf = leaf_of(host, job.record);
  Usage usage = read_usage(leaf);
  if (job.record.workload && (!usage.cpu_user_s || !usage.memory_bytes || !usage.io_read_bytes) &&
      is_alive(*job.record.workload))
    read_process(job.record.workload->pid, usage);
  return usage;
}

Duration age_of(const StoredJob& job) {
  if (job.result)
    if (const Json& seconds = at_or_null(*job.result, "duration_s"); seconds.is_number()) {
      constexpr double kCentury = 3.2e9;  // others may have written there: only what fits is converted
      return Duration(static_cast<int64_t>(std::clamp(seconds.get<double>(), 0.0, kCentury) * 1e9));
    }
  return Duration(std::max<int64_t>(0, wall_now().ns - job.record.started_at.ns));
}

Status settle_unobserved(const Host& host, const StoredJob& job, std::optional<int> wait_status) {
  Leaf leaf = leaf_of(host, job.record);
  TRY(Fd dir, open_dir(AT_FDCWD, job.folder));
  Ending ending;
  ending.wait_status = wait_status;
  ending.ended_at = wall_now();
  ending.duration = age_of(job);
  ending.usage = read_usage(leaf);
  ending.operator_stopped = exists_at(dir.get(), kStopFile);
  if (!job.record.progress_path.empty()) ending.media = read_progress(job.record.progress_path);
  if (!job.record.log_path.empty()) ending.log_tail = last_lines(job.record.log_path, 5);
  ending.report = read_job_report(dir.get());
  const JobFolder folder(job.folder, std::move(dir));
  TRY_OK(folder.write_result(make_result(job.record, ending, judge(job.record, ending))));
  if (!leaf.populated()) (void)leaf.remove();
  return {};
}

}  // namespace ffrtmp
