#include "adopt/unit_limits.h"

#include <unistd.h>

namespace ffrtmp {

namespace {

/// systemd wants a path: a node of the disk, or the file that the operator named.
std::string disk_path(const IoMax& max) {
  const std::string node =
      "/dev/block/" + std::to_string(max.device.major) + ":" + std::to_string(max.device.minor);
  return ::access(node.c_str(), F_OK) == 0 ? node : max.asked_as;
}

}  // namespace

Result<Json> unit_properties_of(const Limit& limit) {
  const auto one = [](const char* name, Json value) {
    return Json::array({Json::array({name, std::move(value)})});
  };
  switch (limit.kind) {
    case LimitKind::cpu_max: {
      const auto& max = std::get<CpuMax>(limit.value);
      constexpr double kSecond = 1e6;
      const auto per_second = static_cast<uint64_t>(
          static_cast<double>(max.quota_us) * kSecond / static_cast<double>(max.period_us) + 0.5);
      return Json::array({Json::array({"CPUQuotaPeriodUSec", max.period_us}),
                          Json::array({"CPUQuotaPerSecUSec", per_second})});
    }
    case LimitKind::cpu_weight: return one("CPUWeight", uint64_t{std::get<Weight>(limit.value).value});
    case LimitKind::io_weight: return one("IOWeight", uint64_t{std::get<Weight>(limit.value).value});
    case LimitKind::memory_high: return one("MemoryHigh", std::get<Bytes>(limit.value).count);
    case LimitKind::memory_max: return one("MemoryMax", std::get<Bytes>(limit.value).count);
    case LimitKind::swap_max: return one("MemorySwapMax", std::get<Bytes>(limit.value).count);
    case LimitKind::pids_max: return one("TasksMax", std::get<Count>(limit.value).value);
    case LimitKind::cpuset: {
      std::vector<unsigned> bytes;  // one bit a CPU, lowest first
      for (const unsigned cpu : std::get<CpuList>(limit.value).cpus) {
        if (cpu / 8 >= bytes.size()) bytes.resize(cpu / 8 + 1);
        bytes[cpu / 8] |= 1u << (cpu % 8);
      }
      return one("AllowedCPUs", bytes);
    }
    case LimitKind::io_max: {
      const auto& max = std::get<IoMax>(limit.value);
      Json out = Json::array();
      const auto add = [&](const char* name, const std::optional<uint64_t>& rate) {
        if (rate) out.push_back({name, Json::array({Json::array({disk_path(max), *rate})})});
      };
      add("IOReadBandwidthMax", max.rbps);
      add("IOWriteBandwidthMax", max.wbps);
      add("IOReadIOPSMax", max.riops);
      add("IOWriteIOPSMax", max.wiops);
      return out;
    }
    case LimitKind::nice:
    case LimitKind::ionice:
    case LimitKind::oom_score_adj: break;
  }
  return bad_input("not a limit of a unit:", std::string(limit_name(limit.kind)));
}

Json undo_properties(const Json& values) {
  Json out = Json::array();
  for (const auto& item : values) {
    const bool list_of_disks = item[1].is_array() && item[0] != "AllowedCPUs";
    if (list_of_disks) out.push_back({item[0], Json::array()});
    if (!list_of_disks || !item[1].empty()) out.push_back(item);
  }
  return out;
}

}  // namespace ffrtmp
