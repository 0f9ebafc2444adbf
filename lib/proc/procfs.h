#pragma once

#include <sys/types.h>

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace ffrtmp {

/// The parsers of /proc: pure functions over text, so that tests and fuzzers need no process.
/// Source: proc(5), Documentation/filesystems/proc.rst. They never throw on malformed text.

/// What we use of /proc/PID/stat.
struct ProcStat {
  pid_t pid = 0;
  std::string comm;
  char state = '?';  ///< R S D T t Z X I
  pid_t ppid = 0, pgrp = 0, session = 0;
  uint64_t flags = 0;                                               ///< the kernel's PF_*
  bool kernel_thread() const { return (flags & 0x00200000) != 0; }  ///< PF_KTHREAD
  bool exiting() const {
    return (flags & 0x4) != 0;
  }  ///< PF_EXITING: v1 shows it at the top of its hierarchies
  bool zombie() const { return state == 'Z' || state == 'X'; }
  uint64_t utime_ticks = 0, stime_ticks = 0;  ///< clock ticks (sysconf _SC_CLK_TCK)
  int nice = 0;
  uint64_t threads = 0;
  uint64_t start_ticks = 0;  ///< since boot
};
std::optional<ProcStat> parse_stat(std::string_view text);

/// One line of /proc/PID/cgroup.
struct CgroupLine {
  int hierarchy = 0;                     ///< 0 is cgroup v2
  std::vector<std::string> controllers;  ///< v1: "cpu", "cpuacct", "name=systemd"; empty on v2
  std::string path;                      ///< as seen from our cgroup namespace; starts with '/'
};
std::vector<CgroupLine> parse_proc_cgroup(std::string_view text);

/// One line of /proc/PID/mountinfo.
struct Mount {
  uint64_t id = 0;  ///< statx(2)'s stx_mnt_id
  unsigned major = 0, minor = 0;
  std::string root;         ///< the part of the file system that is mounted ("/" is all of it)
  std::string mount_point;  ///< unescaped
  std::string fs_type;
  std::string source;
  std::vector<std::string> super_options;
  bool read_only = false;
};
std::vector<Mount> parse_mountinfo(std::string_view text);

/// "key value" lines (memory.events, cpu.stat, memory.stat) to the value of one key.
std::optional<uint64_t> keyed_value(std::string_view text, std::string_view key);

/// PSI: the "total=" of the "some" or "full" line, microseconds. Source: Documentation/accounting/psi.rst.
std::optional<uint64_t> pressure_total(std::string_view text, std::string_view line);

/// /proc/PID/io: bytes that reached storage (read_bytes, write_bytes), by key name.
std::optional<uint64_t> colon_value(std::string_view text, std::string_view key);

}  // namespace ffrtmp
