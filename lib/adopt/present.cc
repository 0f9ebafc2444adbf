#include "adopt/present.h"

#include "cgroup/kernel_files.h"
#include "sys/file.h"
#include "sys/text.h"

namespace ffrtmp {

std::optional<CgroupDir> find_dir(const Host& host, const LeafPlace& place) {
  for (const auto& hierarchy : host.hierarchies) {
    if (hierarchy.mount_point != place.mount_point) continue;
    auto dir = open_cgroup(hierarchy, place.path);
    if (!dir) return std::nullopt;
    Leaf one;
    one.dirs.push_back(std::move(*dir));
    if (place.id != 0 && places_of(one).front().id != place.id) return std::nullopt;
    return std::move(one.dirs.front());
  }
  return std::nullopt;
}

std::string disk_of(const std::string& text) {
  const auto part = words(text);
  const auto number = part.size() > 1 ? split(part[0], ':') : std::vector<std::string_view>{};
  return number.size() == 2 && parse_u64(number[0]) && parse_u64(number[1]) ? std::string(part[0]) : "";
}

Result<std::string> present_text(int dir, const ControlText& like) {
  TRY(const std::string raw, read_file_at(dir, like.file));
  if (const std::string disk = disk_of(like.text); !disk.empty()) {
    for (std::string_view line : lines(raw))
      if (line.starts_with(disk + " ")) return std::string(line);
    return disk + (like.file == kIoMax ? " rbps=max wbps=max riops=max wiops=max" : " 0");
  }
  const bool weights = like.file == kIoWeight || like.file == kIoBfqWeight;
  const std::string_view text =
      trim(weights ? std::string_view(raw).substr(0, raw.find('\n')) : std::string_view(raw));
  return text.empty() ? "\n" : std::string(text);
}

}  // namespace ffrtmp
