#include <algorithm>

#include "agent/prepare.h"
#include "jobs/profile.h"

namespace ffrtmp::agent {

namespace {

constexpr LimitKind kBounds[] = {LimitKind::cpu_max, LimitKind::memory_max, LimitKind::memory_high,
                                 LimitKind::swap_max, LimitKind::pids_max};
constexpr LimitKind kShares[] = {LimitKind::cpu_weight, LimitKind::io_weight};

double size_of(const LimitValue& value) {
  if (const auto* cpu = std::get_if<CpuMax>(&value)) return cpu->cpus();
  if (const auto* bytes = std::get_if<Bytes>(&value)) return static_cast<double>(bytes->count);
  if (const auto* count = std::get_if<Count>(&value)) return static_cast<double>(count->value);
  if (const auto* weight = std::get_if<Weight>(&value)) return weight->value;
  return 0;
}

void keep_stricter(std::vector<Limit>& out, const Limit& limit) {
  const auto there = std::ranges::find(out, limit.kind, &Limit::kind);
  if (there == out.end())
    out.push_back(limit);
  else if (size_of(limit.value) < size_of(there->value))
    *there = limit;
}

/// What the job itself asks for: {"cpu": "150%", "memory": "2G", "cpu_weight": 50, "io_weight": 50, "pids":
/// 100}.
Or<std::vector<Limit>> own_limits(const Json& spec) {
  std::vector<Limit> out;
  const Json& limits = at_or_null(spec, "limits");
  constexpr std::pair<const char*, LimitKind> kNames[] = {{"cpu", LimitKind::cpu_max},
                                                          {"memory", LimitKind::memory_max},
                                                          {"cpu_weight", LimitKind::cpu_weight},
                                                          {"io_weight", LimitKind::io_weight},
                                                          {"pids", LimitKind::pids_max}};
  for (const auto& [name, kind] : kNames) {
    const Json& value = at_or_null(limits, name);
    if (value.is_null()) continue;
    const std::string text = value.is_string() ? value.get<std::string>() : value.dump();
    auto parsed = parse_limit(kind, text);
    if (!parsed)
      return std::unexpected(
          Refusal{"parameters", std::string("limits.") + name + ": " + parsed.error().message()});
    out.push_back({kind, std::move(*parsed), "the job"});
  }
  return out;
}

bool is_share(const Limit& limit) { return std::ranges::find(kShares, limit.kind) != std::end(kShares); }

/// The job's own shares that count: where they are smaller than its queue's.
std::vector<Limit> shares_of(const std::vector<Limit>& queue, const std::vector<Limit>& own) {
  std::vector<Limit> out;
  for (const auto& limit : own) {
    const auto queues = std::ranges::find(queue, limit.kind, &Limit::kind);
    if (is_share(limit) && (queues == queue.end() || size_of(limit.value) < size_of(queues->value)))
      out.push_back(limit);
  }
  return out;
}

void add_flag(const Limit& limit, std::vector<std::string>& out) {
  out.push_back("--" + std::string(limit_flag(limit.kind)));
  out.push_back(v2_text(limit.value));
}

const char* profile_of(const std::string& queue) {
  return queue == "live" ? "live" : queue == "batch" ? "batch" : "vod";
}

}  // namespace

Or<std::vector<std::string>> limit_flags(const Attempt& attempt, const JobType& type,
                                         const Options& options) {
  std::vector<Limit> strictest;
  const auto bounds_of = [&](const std::vector<Limit>& limits) {
    for (const auto& limit : limits)
      if (std::ranges::find(kBounds, limit.kind) != std::end(kBounds)) keep_stricter(strictest, limit);
  };
  const auto profile = find_profile(profile_of(attempt.queue));
  if (!profile) return std::unexpected(Refusal{"node", profile.error().message()});
  bounds_of(profile->limits);
  if (!type.profile.empty())
    if (const auto types = find_profile(type.profile)) bounds_of(types->limits);
  bounds_of(type.limits);
  bounds_of(options.limits);
  auto own = own_limits(attempt.spec);
  if (!own) return std::unexpected(own.error());
  bounds_of(*own);
  for (const auto& limit : shares_of(profile->limits, *own)) strictest.push_back(limit);
  // A soft limit above the hard one would be refused.
  const auto hard = std::ranges::find(strictest, LimitKind::memory_max, &Limit::kind);
  const auto soft = std::ranges::find(strictest, LimitKind::memory_high, &Limit::kind);
  if (hard != strictest.end() && soft != strictest.end() && size_of(soft->value) > size_of(hard->value))
    strictest.erase(soft);
  std::vector<std::string> out = {"--profile", profile->name};
  for (const auto& limit : strictest) add_flag(limit, out);
  return out;
}

namespace {

/// What an attempt's queue gives it, and where its own is smaller, that.
std::vector<Limit> share_of(const Attempt& attempt) {
  const auto profile = find_profile(profile_of(attempt.queue));
  const auto own = own_limits(attempt.spec);
  if (!profile || !own) return {};
  std::vector<Limit> out = shares_of(profile->limits, *own);
  for (const auto& limit : profile->limits)
    if (is_share(limit) && std::ranges::find(out, limit.kind, &Limit::kind) == out.end())
      out.push_back(limit);
  return out;
}

}  // namespace

std::vector<std::string> share_flags(const Attempt& attempt) {
  std::vector<std::string> out;
  for (const auto& limit : share_of(attempt)) add_flag(limit, out);
  return out;
}

bool has_share(const Receipt& receipt, const Attempt& attempt) {
  return std::ranges::all_of(share_of(attempt), [&](const Limit& limit) {
    return std::ranges::any_of(receipt.rows, [&](const ReceiptRow& row) {
      return row.name == limit_name(limit.kind) && row.asked == shown(limit.kind, limit.value);
    });
  });
}

}  // namespace ffrtmp::agent
