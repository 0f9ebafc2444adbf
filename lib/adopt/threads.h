#pragma once

#include <string>
#include <vector>

#include "proc/process_ref.h"

namespace ffrtmp {

/// A setting that the kernel keeps for each thread; a thread that is made has its maker's.
enum class ThreadSetting { nice, ionice, affinity };
std::string_view thread_setting_name(ThreadSetting setting);

/// A thread, told from a later one of its number by its start.
struct ThreadRef {
  pid_t tid = 0;
  uint64_t start_ticks = 0;
  auto operator<=>(const ThreadRef&) const = default;
};

/// The living threads of a process, also of one whose first thread has ended. Empty when it is gone.
std::vector<ThreadRef> threads_of(const ProcessRef& process);

/// The setting as text: a nice value, a raw ioprio_set(2) number ("0": derived from the nice value), a CPU
/// list. `tid` 0 is the calling thread. Errors: ESRCH.
Result<std::string> read_thread(ThreadSetting setting, pid_t tid);
/// The same way back. Errors: EPERM, EACCES, ESRCH, EINVAL. The kernel takes a number: whoever calls it holds
/// the process, and has just seen the thread in it.
Status write_thread(ThreadSetting setting, pid_t tid, const std::string& text);

}  // namespace ffrtmp
