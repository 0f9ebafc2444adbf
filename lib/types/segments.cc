#include "types/segments.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <vector>

#include "sys/clock.h"
#include "sys/file.h"
#include "sys/text.h"

namespace ffrtmp {

namespace {

/// What tells a segment of ours from other files of the folder: "segment-20260131-081530.mkv".
bool is_segment(const std::string& name) {
  constexpr std::string_view kStart = "segment-";
  if (!name.starts_with(kStart) || name.size() < kStart.size() + 15) return false;
  const std::string_view stamp = std::string_view(name).substr(kStart.size(), 15);
  for (size_t i = 0; i < stamp.size(); i++)
    if (i == 8 ? stamp[i] != '-' : stamp[i] < '0' || stamp[i] > '9') return false;
  return true;
}

}  // namespace

SegmentKeeper::SegmentKeeper(std::string list, std::string from, std::string to,
                             std::optional<double> keep_age_s, std::optional<double> keep_bytes)
    : list_(std::move(list)),
      from_(std::move(from)),
      to_(std::move(to)),
      keep_age_s_(keep_age_s),
      keep_bytes_(keep_bytes) {}

size_t SegmentKeeper::collect() {
  size_t moved = 0;
  if (const auto text = read_file(list_, 64 << 20))
    for (const auto line : lines(*text)) {
      const std::string name(line.substr(0, line.find(',')));
      if (!is_segment(name) || name.find('/') != std::string::npos) continue;
      moved += ::rename((from_ + "/" + name).c_str(), (to_ + "/" + name).c_str()) == 0;
    }
  let_go();
  return moved;
}

void SegmentKeeper::let_go() const {
  if (!keep_age_s_ && !keep_bytes_) return;
  struct Kept {
    std::string name;
    int64_t ended_s;
    off_t size;
  };
  std::vector<Kept> kept;
  const auto dir = open_dir(AT_FDCWD, to_);
  if (!dir) return;
  double sum = 0;
  for (const auto& name : names_in(dir->get())) {
    struct stat info {};
    if (!is_segment(name) || ::fstatat(dir->get(), name.c_str(), &info, AT_SYMLINK_NOFOLLOW) != 0 ||
        !S_ISREG(info.st_mode))
      continue;
    kept.push_back({name, info.st_mtim.tv_sec, info.st_size});
    sum += static_cast<double>(info.st_size);
  }
  std::ranges::sort(kept, {}, &Kept::name);  // the time is in the name
  const int64_t now = wall_now().ns / 1'000'000'000;
  for (const auto& segment : kept) {
    const bool old = keep_age_s_ && static_cast<double>(now - segment.ended_s) > *keep_age_s_;
    const bool much = keep_bytes_ && sum > *keep_bytes_;
    if (!old && !much) break;
    if (::unlinkat(dir->get(), segment.name.c_str(), 0) == 0) sum -= static_cast<double>(segment.size);
  }
}

}  // namespace ffrtmp
