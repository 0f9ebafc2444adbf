#pragma once

#include <sys/types.h>

#include <cstdint>
#include <string>
#include <vector>

#include "sys/units.h"

namespace ffrtmp {

/// A regular file that a process holds open for writing.
struct OutputFile {
  std::string path;          ///< as the kernel shows it; ends with " (deleted)" when it has no name any more
  uint64_t bytes = 0;        ///< its size
  Duration since_written{};  ///< by the file system's clock
};

/// The files that these processes write, each once, by path. Processes that are gone or not ours to look into
/// show none. Source: /proc/PID/fd and fdinfo (proc(5)). Opens none of the files.
std::vector<OutputFile> output_files_of(const std::vector<pid_t>& processes);

}  // namespace ffrtmp
