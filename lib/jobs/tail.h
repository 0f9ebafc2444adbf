#pragma once

#include <string>
#include <vector>

#include "sys/result.h"

namespace ffrtmp {

/// The last `bytes` of a file, without what was punched out of it.
Result<std::string> read_tail(const std::string& path, size_t bytes);
/// The last `count` lines, carriage returns taken as line ends (FFmpeg overwrites its status line with them).
std::vector<std::string> last_lines(const std::string& path, size_t count);

/// Keeps a file that others append to from growing for ever, without ever blocking or signalling the writer:
/// when it holds more than `cap` bytes, all but the last half of that is punched out (fallocate(2)
/// PUNCH_HOLE; the size that ls shows goes on growing, the space it takes does not). Where the file system
/// cannot do that, it is cut to nothing, which an O_APPEND writer takes well. Returns the bytes it takes up
/// now.
Result<uint64_t> cap_file(int fd, uint64_t cap);

}  // namespace ffrtmp
