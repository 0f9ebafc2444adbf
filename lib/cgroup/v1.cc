// cgroup v1, one controller a hierarchy: Documentation/admin-guide/cgroup-v1/.

#include <algorithm>

#include "cgroup/block_device.h"
#include "cgroup/kernel_files.h"
#include "cgroup/knobs.h"
#include "sys/file.h"
#include "sys/text.h"

namespace ffrtmp {

namespace {

/// v1 writes "no limit" as the largest page-aligned number; anything near it is none.
constexpr uint64_t kUnlimited = 1ull << 62;

// The kernel itself maps weight 100 to 1024 shares (kernel/sched/core.c, sched_weight_to_cgroup).
uint64_t shares_of(unsigned weight) { return std::max<uint64_t>(2, (weight * 1024ull + 50) / 100); }
unsigned weight_of(uint64_t shares) {
  return static_cast<unsigned>(std::clamp<uint64_t>((shares * 100 + 512) / 1024, 1, 10000));
}
// cgroup-v1/blkio-controller.rst: blkio.bfq.weight takes 1 to 1000, 100 by default, as io.weight's first
// thousand.
unsigned blkio_weight_of(unsigned weight) { return std::min(weight, 1000u); }

struct Throttle {
  const char* file;
  std::optional<uint64_t> IoMax::*rate;
};
constexpr Throttle kThrottles[] = {
    {"blkio.throttle.read_bps_device", &IoMax::rbps},
    {"blkio.throttle.write_bps_device", &IoMax::wbps},
    {"blkio.throttle.read_iops_device", &IoMax::riops},
    {"blkio.throttle.write_iops_device", &IoMax::wiops},
};

std::string device_text(const BlockDevice& device) {
  return std::to_string(device.major) + ":" + std::to_string(device.minor);
}

std::optional<uint64_t> read_number(int dir, const std::string& name) {
  const auto text = read_file_at(dir, name);
  return text ? parse_u64(trim(*text)) : std::nullopt;
}

class V1 final : public Knobs {
 public:
  std::string file(LimitKind kind) const override {
    switch (kind) {
      case LimitKind::cpu_max: return kV1CpuQuota;
      case LimitKind::cpu_weight: return kV1CpuShares;
      case LimitKind::cpuset: return kCpusetCpus;
      case LimitKind::swap_max: return kV1MemorySwapLimit;
      case LimitKind::memory_max: return kV1MemoryLimit;
      case LimitKind::io_max: return "blkio.throttle.*";
      case LimitKind::io_weight: return kV1BlkioBfqWeight;
      case LimitKind::pids_max: return kPidsMax;
      default: return "";
    }
  }

  Status write(int dir, const Limit& limit) const override {
    switch (limit.kind) {
      case LimitKind::cpu_max: {
        const auto& max = std::get<CpuMax>(limit.value);
        TRY_OK(write_control(dir, kV1CpuPeriod, std::to_string(max.period_us)));
        return write_control(dir, kV1CpuQuota, std::to_string(max.quota_us));
      }
      case LimitKind::cpu_weight:
        return write_control(dir, kV1CpuShares,
                             std::to_string(shares_of(std::get<Weight>(limit.value).value)));
      case LimitKind::cpuset:
        return write_control(dir, kCpusetCpus, format_cpu_list(std::get<CpuList>(limit.value)));
      case LimitKind::memory_max:
        return write_control(dir, kV1MemoryLimit, std::to_string(std::get<Bytes>(limit.value).count));
      case LimitKind::swap_max: return write_swap(dir, std::get<Bytes>(limit.value));
      case LimitKind::memory_high:
        return bad_input("cgroup v1 has no", "memory.high", "memory.soft_limit_in_bytes is another thing");
      case LimitKind::io_max: {
        const auto& max = std::get<IoMax>(limit.value);
        for (const auto& throttle : kThrottles)
          if (const auto& rate = max.*throttle.rate)
            TRY_OK(write_control(dir, throttle.file, device_text(max.device) + " " + std::to_string(*rate)));
        return {};
      }
      case LimitKind::io_weight: {
        const std::string text = std::to_string(blkio_weight_of(std::get<Weight>(limit.value).value));
        const auto bfq = write_control(dir, kV1BlkioBfqWeight, text);
        return bfq || bfq.error().errnum != ENOENT ? bfq : write_control(dir, kV1BlkioWeight, text);
      }
      case LimitKind::pids_max:
        return write_control(dir, kPidsMax, std::to_string(std::get<Count>(limit.value).value));
      case LimitKind::nice:
      case LimitKind::ionice:
      case LimitKind::oom_score_adj: break;
    }
    return bad_input("not a cgroup limit:", std::string(limit_name(limit.kind)));
  }

  Result<std::optional<LimitValue>> read(int dir, const std::string& prefix,
                                         const Limit& like) const override {
    const auto number = [&](const char* name) -> Result<uint64_t> {
      TRY(const std::string text, read_file_at(dir, prefix + name));
      const auto value = parse_u64(trim(text));
      return value ? Result<uint64_t>(*value) : Result<uint64_t>(UINT64_MAX);  // "-1" and "max": none
    };
    const auto some = [](LimitValue value) { return std::optional<LimitValue>(std::move(value)); };
    switch (like.kind) {
      case LimitKind::cpu_max: {
        TRY(const uint64_t quota, number(kV1CpuQuota));
        TRY(const uint64_t period, number(kV1CpuPeriod));
        if (quota == UINT64_MAX || period == 0) return std::nullopt;
        return some(CpuMax{quota, period});
      }
      case LimitKind::cpu_weight: {
        TRY(const uint64_t shares, number(kV1CpuShares));
        // Several weights give one number of shares: the one that was asked is the one to show.
        const auto& asked = std::get<Weight>(like.value);
        return some(shares == shares_of(asked.value) ? asked : Weight{weight_of(shares)});
      }
      case LimitKind::cpuset: {
        TRY(const std::string text, read_file_at(dir, prefix + kV1CpusetEffective));
        if (trim(text).empty()) return std::nullopt;
        TRY(CpuList list, parse_cpu_list(text));
        return some(std::move(list));
      }
      case LimitKind::memory_max: {
        TRY(const uint64_t bytes, number(kV1MemoryLimit));
        return bytes >= kUnlimited ? std::nullopt : some(Bytes{bytes});
      }
      case LimitKind::swap_max: {  // memsw counts memory and swap together
        TRY(const uint64_t both, number(kV1MemorySwapLimit));
        TRY(const uint64_t memory, number(kV1MemoryLimit));
        return both >= kUnlimited || memory >= kUnlimited ? std::nullopt
                                                          : some(Bytes{both - std::min(both, memory)});
      }
      case LimitKind::io_max: return read_throttles(dir, prefix, std::get<IoMax>(like.value));
      case LimitKind::io_weight: {
        auto weight = number(kV1BlkioBfqWeight);
        if (!weight) weight = number(kV1BlkioWeight);
        if (!weight) return std::unexpected(weight.error());
        return some(Weight{static_cast<unsigned>(*weight)});
      }
      case LimitKind::pids_max: {
        TRY(const uint64_t count, number(kPidsMax));
        return count == UINT64_MAX ? std::nullopt : some(Count{count});
      }
      case LimitKind::memory_high:
      case LimitKind::nice:
      case LimitKind::ionice:
      case LimitKind::oom_score_adj: break;
    }
    return bad_input("cgroup v1 has no", std::string(limit_name(like.kind)));
  }

  Result<std::vector<ControlText>> snapshot(int dir, const Limit& like) const override {
    std::vector<ControlText> out;
    const auto add = [&](const char* name) -> Status {
      TRY(const std::string text, read_file_at(dir, name));
      out.push_back({name, std::string(trim(text))});
      return {};
    };
    switch (like.kind) {
      case LimitKind::cpu_max:
        TRY_OK(add(kV1CpuPeriod));
        TRY_OK(add(kV1CpuQuota));
        return out;
      case LimitKind::io_weight:
        if (!add(kV1BlkioBfqWeight)) TRY_OK(add(kV1BlkioWeight));
        return out;
      case LimitKind::io_max:
        for (const auto& throttle : kThrottles) {
          const std::string disk = device_text(std::get<IoMax>(like.value).device) + " ";
          TRY(const std::string text, read_file_at(dir, throttle.file));
          std::string now = disk + "0";  // no limit
          for (std::string_view line : lines(text))
            if (line.starts_with(disk)) now = line;
          out.push_back({throttle.file, now});
        }
        return out;
      case LimitKind::memory_high: return bad_input("cgroup v1 has no", "memory.high");
      default: break;
    }
    const std::string name = file(like.kind);
    if (name.empty()) return bad_input("not a cgroup limit:", std::string(limit_name(like.kind)));
    TRY_OK(add(name.c_str()));
    return out;
  }

  std::string without_effect(LimitKind kind) const override {
    return kind != LimitKind::io_weight || any_disk_uses_bfq()
               ? ""
               : "no disk here uses the BFQ scheduler, the only one that reads it";
  }

 private:
  static Status write_swap(int dir, Bytes swap) {
    // memsw is memory + swap and may never be below the memory limit; without a memory limit it has no
    // meaning.
    const auto memory = read_number(dir, kV1MemoryLimit);
    if (!memory || *memory >= kUnlimited)
      return bad_input("cgroup v1 limits swap only together with memory:", kV1MemorySwapLimit,
                       "give --memory-max too");
    auto written = write_control(dir, kV1MemorySwapLimit, std::to_string(*memory + swap.count));
    if (!written && written.error().errnum == ENOENT)
      written.error().hint = "the kernel was started without swap accounting (swapaccount=1)";
    return written;
  }

  static Result<std::optional<LimitValue>> read_throttles(int dir, const std::string& prefix,
                                                          const IoMax& like) {
    IoMax out;
    out.device = like.device;
    bool any = false;
    for (const auto& throttle : kThrottles) {
      TRY(const std::string text, read_file_at(dir, prefix + throttle.file));
      for (std::string_view line : lines(text)) {
        const auto part = words(line);
        if (part.size() != 2 || part[0] != device_text(like.device)) continue;
        out.*throttle.rate = parse_u64(part[1]);
        any = true;
      }
    }
    return any ? std::optional<LimitValue>(out) : std::nullopt;
  }
};

}  // namespace

const Knobs& v1_knobs() {
  static const V1 instance;
  return instance;
}

}  // namespace ffrtmp
