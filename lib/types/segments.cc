#include "types/segments.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <vector>

#include "sys/clock.h"
#include "sys/fd.h"
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
                             std::optional<double> keep_age_s, std::optional<double> keep_bytes,
                             VerifyLevel level)
    : list_(std::move(list)),
      from_(std::move(from)),
      to_(std::move(to)),
      keep_age_s_(keep_age_s),
      keep_bytes_(keep_bytes),
      level_(level) {}

void SegmentKeeper::collect() {
  // The list of a recording of weeks is long: only what came to it is read.
  const Fd list(::open(list_.c_str(), O_RDONLY | O_CLOEXEC));
  struct stat info {};
  if (list && ::fstat(list.get(), &info) == 0) {
    const auto size = static_cast<uint64_t>(info.st_size);
    if (size < read_) read_ = 0;  // begun anew
    std::string text(std::min<uint64_t>(size - read_, 1 << 20), '\0');
    const ssize_t got = ::pread(list.get(), text.data(), text.size(), static_cast<off_t>(read_));
    text.resize(static_cast<size_t>(std::max<ssize_t>(got, 0)));
    text.resize(text.rfind('\n') + 1);  // without the line that is being written
    read_ += text.size();
    for (const auto line : lines(text)) take(std::string(line.substr(0, line.find(','))));
  }
  let_go();
}

void SegmentKeeper::take(const std::string& name) {
  const std::string kept = to_ + "/" + name;
  if (!is_segment(name) || name.find('/') != std::string::npos) return;
  if (::rename((from_ + "/" + name).c_str(), kept.c_str()) != 0) return;
  count_++;
  if (level_ == VerifyLevel::none) return;
  const VerifyOutcome outcome = verify_output("media", kept, Json::object(), level_);
  if (outcome.ok) return;
  constexpr size_t kMostTold = 100;
  if (broken_.size() < kMostTold) broken_.push_back({{"path", kept}, {"reason", outcome.reason}});
  (void)write_all(STDERR_FILENO,
                  "ffrtmp: record: the segment " + kept + " cannot be used: " + outcome.reason + "\n");
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
