#include "jobs/tail.h"

#include <fcntl.h>
#include <linux/falloc.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>

#include "sys/file.h"
#include "sys/text.h"

namespace ffrtmp {

Result<std::string> read_tail(const std::string& path, size_t bytes) {
  TRY(const Fd fd, open_at(AT_FDCWD, path, O_RDONLY));
  const off_t size = ::lseek(fd.get(), 0, SEEK_END);
  if (size < 0) return sys_error("reading", path);
  off_t from = std::max<off_t>(0, size - static_cast<off_t>(bytes));
  // A hole reads as zeros: start at the next data.
  const off_t data = ::lseek(fd.get(), from, SEEK_DATA);
  if (data > from) from = data;
  std::string out(static_cast<size_t>(size - from), '\0');
  const ssize_t got = ::pread(fd.get(), out.data(), out.size(), from);
  if (got < 0) return sys_error("reading", path);
  out.resize(static_cast<size_t>(got));
  out.erase(0, std::min(out.find_first_not_of('\0'), out.size()));
  return out;
}

std::vector<std::string> last_lines(const std::string& path, size_t count) {
  constexpr size_t kEnough = 16384;
  auto text = read_tail(path, kEnough);
  if (!text) return {};
  std::ranges::replace(*text, '\r', '\n');
  std::vector<std::string> out;
  for (std::string_view line : lines(*text))
    if (!trim(line).empty()) out.emplace_back(trim(line));
  if (out.size() > count) out.erase(out.begin(), out.end() - static_cast<std::ptrdiff_t>(count));
  return out;
}

Result<uint64_t> cap_file(int fd, uint64_t cap) {
  struct stat info {};
  if (::fstat(fd, &info) != 0) return sys_error("looking at a log", "");
  const auto size = static_cast<uint64_t>(info.st_size);
  // What a file system allocates ahead of the end is not content.
  const uint64_t taken = std::min(static_cast<uint64_t>(info.st_blocks) * 512, size);
  if (taken <= cap || size <= cap / 2) return taken;
  const uint64_t hole = (size - cap / 2) & ~uint64_t{4095};  // whole pages: parts of one would only be zeroed
  if (hole == 0) return taken;
  if (::fallocate(fd, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, 0, static_cast<off_t>(hole)) == 0)
    return size - hole;
  if (::ftruncate(fd, 0) != 0) return sys_error("capping a log", "");
  return 0;
}

}  // namespace ffrtmp
