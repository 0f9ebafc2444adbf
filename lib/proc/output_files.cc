#include "proc/output_files.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <charconv>
#include <map>

#include "proc/processes.h"
#include "sys/clock.h"
#include "sys/file.h"
#include "sys/text.h"

namespace ffrtmp {

namespace {

/// Whether fdinfo's "flags:" (octal, open(2)'s) let it write.
bool writes(std::string_view fdinfo) {
  constexpr std::string_view kFlags = "flags:";
  for (std::string_view line : lines(fdinfo)) {
    if (!line.starts_with(kFlags)) continue;
    const std::string_view digits = trim(line.substr(kFlags.size()));
    int flags = 0;
    const auto read = std::from_chars(digits.data(), digits.data() + digits.size(), flags, 8);
    return read.ec == std::errc{} && (flags & O_ACCMODE) != O_RDONLY && (flags & O_PATH) == 0;
  }
  return false;
}

}  // namespace

std::vector<OutputFile> output_files_of(const std::vector<pid_t>& processes) {
  std::map<std::pair<dev_t, ino_t>, OutputFile> found;
  const WallTime now = wall_now();
  for (const pid_t pid : processes) {
    const auto folder = open_dir(AT_FDCWD, proc_path(pid));
    if (!folder) continue;
    const auto fds = open_dir(folder->get(), "fd");
    if (!fds) continue;
    for (const auto& name : names_in(fds->get())) {
      struct stat info {};
      if (::fstatat(fds->get(), name.c_str(), &info, 0) != 0 || !S_ISREG(info.st_mode)) continue;
      if (!writes(read_or_empty(folder->get(), "fdinfo/" + name))) continue;
      std::string path = read_link(fds->get(), name);
      // A file in memory has a file's type, but only its holder ever sees it.
      if (path.empty() || path.starts_with("/memfd:")) continue;
      const int64_t written = info.st_mtim.tv_sec * 1'000'000'000ll + info.st_mtim.tv_nsec;
      found[{info.st_dev, info.st_ino}] = {std::move(path), static_cast<uint64_t>(info.st_size),
                                           Duration(std::max<int64_t>(0, now.ns - written))};
    }
  }
  std::vector<OutputFile> out;
  for (auto& [id, file] : found) out.push_back(std::move(file));
  std::ranges::sort(out, {}, &OutputFile::path);
  return out;
}

}  // namespace ffrtmp
