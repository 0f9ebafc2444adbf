#include "cgroup/knobs.h"

#include <algorithm>

namespace ffrtmp {

std::optional<LimitValue> tighter(std::optional<LimitValue> a, std::optional<LimitValue> b) {
  if (!a) return b;
  if (!b || a->index() != b->index()) return a;
  if (const auto* left = std::get_if<CpuMax>(&*a)) {
    const auto& right = std::get<CpuMax>(*b);
    return left->cpus() <= right.cpus() ? a : b;
  }
  if (const auto* left = std::get_if<Bytes>(&*a)) return *left <= std::get<Bytes>(*b) ? a : b;
  if (const auto* left = std::get_if<Count>(&*a)) return left->value <= std::get<Count>(*b).value ? a : b;
  if (auto* left = std::get_if<IoMax>(&*a)) {
    const auto& right = std::get<IoMax>(*b);
    const auto least = [](std::optional<uint64_t>& x, const std::optional<uint64_t>& y) {
      if (y && (!x || *y < *x)) x = y;
    };
    least(left->rbps, right.rbps);
    least(left->wbps, right.wbps);
    least(left->riops, right.riops);
    least(left->wiops, right.wiops);
  }
  if (auto* left = std::get_if<CpuList>(&*a)) {
    const auto& right = std::get<CpuList>(*b).cpus;
    std::erase_if(left->cpus, [&](unsigned cpu) { return std::ranges::find(right, cpu) == right.end(); });
  }
  return a;
}

Result<std::optional<LimitValue>> effective_limit(const Knobs& with, int dir, int depth, const Limit& like) {
  TRY(std::optional<LimitValue> least, with.read(dir, "", like));
  // A weight is a share among siblings: an ancestor's is another contest.
  if (std::holds_alternative<Weight>(like.value)) return least;
  std::string prefix;
  for (int level = 0; level < depth; level++) {
    prefix += "../";
    // An ancestor without the file (the root, a controller not enabled there) sets no limit.
    if (auto above = with.read(dir, prefix, like); above)
      least = tighter(std::move(least), std::move(*above));
  }
  return least;
}

}  // namespace ffrtmp
