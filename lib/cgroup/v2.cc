// cgroup v2: Documentation/admin-guide/cgroup-v2.rst.

#include <cstring>

#include "cgroup/block_device.h"
#include "cgroup/kernel_files.h"
#include "cgroup/knobs.h"
#include "sys/file.h"
#include "sys/text.h"

namespace ffrtmp {

namespace {

std::optional<IoMax> io_max_line(std::string_view text, const BlockDevice& device) {
  const std::string wanted = std::to_string(device.major) + ":" + std::to_string(device.minor);
  for (std::string_view line : lines(text)) {
    const auto part = words(line);
    if (part.empty() || part[0] != wanted) continue;
    IoMax out;
    out.device = device;
    for (std::string_view item : part) {
      const size_t equals = item.find('=');
      if (equals == std::string_view::npos) continue;
      const auto value = parse_u64(item.substr(equals + 1));  // "max" is none
      const std::string_view key = item.substr(0, equals);
      if (key == "rbps") out.rbps = value;
      if (key == "wbps") out.wbps = value;
      if (key == "riops") out.riops = value;
      if (key == "wiops") out.wiops = value;
    }
    return out;
  }
  return std::nullopt;
}

std::string hint_of(int errnum, LimitKind kind) {
  switch (errnum) {
    case ENOENT:
      return "controller " + std::string(controller_name(*controller_of(kind))) + " is not enabled here";
    case EACCES:
    case EPERM: return "this cgroup is not delegated to us";
    case ENODEV: return "the kernel knows no such whole disk";
    case EINVAL: return "the kernel refuses the value";
    case ERANGE: return "out of the kernel's range";
    default: return "";
  }
}

class V2 final : public Knobs {
 public:
  std::string file(LimitKind kind) const override {
    switch (kind) {
      case LimitKind::cpu_max: return kCpuMax;
      case LimitKind::cpu_weight: return kCpuWeight;
      case LimitKind::cpuset: return kCpusetCpus;
      case LimitKind::swap_max: return kMemorySwapMax;
      case LimitKind::memory_high: return kMemoryHigh;
      case LimitKind::memory_max: return kMemoryMax;
      case LimitKind::io_max: return kIoMax;
      case LimitKind::io_weight: return kIoWeight;
      case LimitKind::pids_max: return kPidsMax;
      default: return "";
    }
  }

  Status write(int dir, const Limit& limit) const override {
    const std::string text = v2_text(limit.value);
    auto written = write_control(dir, file(limit.kind), text);
    if (!written && limit.kind == LimitKind::io_weight && written.error().errnum == ENOENT)
      written = write_control(dir, kIoBfqWeight, text);  // kernels with BFQ and without iocost
    if (!written) {
      Error error = written.error();
      error.hint = hint_of(error.errnum, limit.kind);
      return std::unexpected(error);
    }
    // One process of a workload killed alone leaves the rest hanging: take the whole job. Best effort: 4.19.
    if (limit.kind == LimitKind::memory_max) (void)write_control(dir, kMemoryOomGroup, "1");
    return {};
  }

  Result<std::optional<LimitValue>> read(int dir, const std::string& prefix,
                                         const Limit& like) const override {
    // cpuset.cpus of a cgroup that never set its own is empty: what it has is its effective list.
    std::string name = like.kind == LimitKind::cpuset ? kCpusetCpusEffective : file(like.kind);
    auto raw = read_file_at(dir, prefix + name);
    if (!raw && like.kind == LimitKind::io_weight) raw = read_file_at(dir, prefix + kIoBfqWeight);
    if (!raw) return std::unexpected(raw.error());
    const std::string_view text = trim(*raw);
    const auto part = words(text);
    if (like.kind == LimitKind::io_max) {
      const auto found = io_max_line(text, std::get<IoMax>(like.value).device);
      return found ? std::optional<LimitValue>(*found) : std::nullopt;
    }
    if (part.empty() || part[0] == "max") return std::nullopt;
    const auto bad = [&] { return bad_input("unexpected contents of", prefix + name, printable(text)); };
    switch (like.kind) {
      case LimitKind::cpu_max: {
        const auto quota = parse_u64(part[0]);
        const auto period = part.size() == 2 ? parse_u64(part[1]) : std::nullopt;
        if (!quota || !period || *period == 0) return bad();
        return LimitValue(CpuMax{*quota, *period});
      }
      case LimitKind::io_weight: {  // "default 100" then lines for disks; BFQ gives the same or a bare number
        const auto value = parse_u64(part.size() > 1 && part[0] == "default" ? part[1] : part[0]);
        if (!value) return bad();
        return LimitValue(Weight{static_cast<unsigned>(*value)});
      }
      case LimitKind::cpuset: {
        TRY(CpuList list, parse_cpu_list(text));
        return LimitValue(std::move(list));
      }
      default: break;
    }
    const auto value = parse_u64(part[0]);
    if (!value) return bad();
    if (like.kind == LimitKind::cpu_weight) return LimitValue(Weight{static_cast<unsigned>(*value)});
    if (like.kind == LimitKind::pids_max) return LimitValue(Count{*value});
    return LimitValue(Bytes{*value});
  }

  Result<std::vector<ControlText>> snapshot(int dir, const Limit& like) const override {
    std::string name = file(like.kind);
    auto raw = read_file_at(dir, name);
    if (!raw && like.kind == LimitKind::io_weight) raw = read_file_at(dir, name = kIoBfqWeight);
    if (!raw) return std::unexpected(raw.error());
    std::string text(trim(*raw));
    if (like.kind == LimitKind::io_max) {
      const auto& device = std::get<IoMax>(like.value).device;
      const std::string disk = std::to_string(device.major) + ":" + std::to_string(device.minor) + " ";
      text = disk + "rbps=max wbps=max riops=max wiops=max";
      for (std::string_view line : lines(*raw))
        if (line.starts_with(disk)) text = line;
    }
    // Disks may have weights of their own; a write without one changes the first line alone.
    if (like.kind == LimitKind::io_weight) text = text.substr(0, text.find('\n'));
    if (text.empty()) text = "\n";  // an empty cpuset.cpus is unset; a write of nothing is no write
    std::vector<ControlText> out{{name, text}};
    if (like.kind == LimitKind::memory_max)
      if (const auto group = read_file_at(dir, kMemoryOomGroup))
        out.push_back({kMemoryOomGroup, std::string(trim(*group))});
    return out;
  }

  std::string without_effect(LimitKind kind) const override {
    if (kind != LimitKind::io_weight) return "";
    // io.weight is taken by every kernel with iocost built in, and ignored until iocost is switched on for a
    // disk (io.cost.qos, only at the root) or the disk's scheduler is BFQ.
    const auto qos = read_file(std::string("/sys/fs/cgroup/") + kIoCostQos);
    const bool works = (qos && qos->contains("enable=1")) || any_disk_uses_bfq();
    return works ? "" : "no disk here uses the BFQ scheduler or iocost, so no kernel code reads it";
  }
};

}  // namespace

const Knobs& v2_knobs() {
  static const V2 instance;
  return instance;
}

}  // namespace ffrtmp
