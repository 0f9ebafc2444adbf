#pragma once

namespace ffrtmp {

/// Every file of the kernel's cgroup interfaces that we read or write, so that no name stands anywhere else.
/// Source: Documentation/admin-guide/cgroup-v2.rst and cgroup-v1/.
inline constexpr char kCgroupProcs[] = "cgroup.procs";
inline constexpr char kCgroupControllers[] = "cgroup.controllers";
inline constexpr char kCgroupSubtreeControl[] = "cgroup.subtree_control";
inline constexpr char kCgroupEvents[] = "cgroup.events";
inline constexpr char kCgroupKill[] = "cgroup.kill";  // 5.14
inline constexpr char kCgroupType[] = "cgroup.type";
inline constexpr char kCgroupFreeze[] = "cgroup.freeze";  // 5.2
inline constexpr char kCpuMax[] = "cpu.max";
inline constexpr char kCpuWeight[] = "cpu.weight";
inline constexpr char kCpuStat[] = "cpu.stat";
inline constexpr char kCpuPressure[] = "cpu.pressure";
inline constexpr char kCpusetCpus[] = "cpuset.cpus";
inline constexpr char kCpusetCpusEffective[] = "cpuset.cpus.effective";
inline constexpr char kMemoryMax[] = "memory.max";
inline constexpr char kMemoryHigh[] = "memory.high";
inline constexpr char kMemorySwapMax[] = "memory.swap.max";
inline constexpr char kMemoryOomGroup[] = "memory.oom.group";
inline constexpr char kMemoryCurrent[] = "memory.current";
inline constexpr char kMemoryReclaim[] = "memory.reclaim";  // 5.19
inline constexpr char kMemoryPeak[] = "memory.peak";        // 5.19
inline constexpr char kMemoryEvents[] = "memory.events";
inline constexpr char kMemoryEventsLocal[] = "memory.events.local";
inline constexpr char kMemoryPressure[] = "memory.pressure";
inline constexpr char kIoMax[] = "io.max";
inline constexpr char kIoWeight[] = "io.weight";
inline constexpr char kIoBfqWeight[] = "io.bfq.weight";
inline constexpr char kIoCostQos[] = "io.cost.qos";
inline constexpr char kIoStat[] = "io.stat";
inline constexpr char kIoPressure[] = "io.pressure";
inline constexpr char kPidsMax[] = "pids.max";

// v1. A thread that writes "0" to `tasks` moves itself without the global lock whose wait for an RCU grace
// period makes every other way in cost 8-16 ms on an idle host (Linux 5.4, commit 9a3284fad42f): so we enter
// by this file.
inline constexpr char kV1Tasks[] = "tasks";
inline constexpr char kV1CpuQuota[] = "cpu.cfs_quota_us";
inline constexpr char kV1CpuPeriod[] = "cpu.cfs_period_us";
inline constexpr char kV1CpuShares[] = "cpu.shares";
inline constexpr char kV1CpuAcctUser[] = "cpuacct.usage_user";
inline constexpr char kV1CpuAcctSystem[] = "cpuacct.usage_sys";
inline constexpr char kV1CpusetMems[] = "cpuset.mems";
inline constexpr char kV1CpusetEffective[] = "cpuset.effective_cpus";
inline constexpr char kV1MemoryLimit[] = "memory.limit_in_bytes";
inline constexpr char kV1MemorySwapLimit[] = "memory.memsw.limit_in_bytes";
inline constexpr char kV1MemoryUsage[] = "memory.usage_in_bytes";
inline constexpr char kV1MemoryPeak[] = "memory.max_usage_in_bytes";
inline constexpr char kV1MemoryFailcnt[] = "memory.failcnt";
inline constexpr char kV1MemorySwapFailcnt[] = "memory.memsw.failcnt";
inline constexpr char kV1MemoryOomControl[] = "memory.oom_control";
inline constexpr char kV1BlkioServiceBytes[] = "blkio.throttle.io_service_bytes_recursive";
inline constexpr char kV1BlkioWeight[] = "blkio.weight";
inline constexpr char kV1BlkioBfqWeight[] = "blkio.bfq.weight";
inline constexpr char kV1FreezerState[] = "freezer.state";

}  // namespace ffrtmp
