// What cgroup v2's and v1's control files may hold, read through a tree of them on disk.

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <filesystem>

#include "cgroup/kernel_files.h"
#include "cgroup/knobs.h"
#include "cgroup/meters.h"
#include "fuzz.h"
#include "sys/fd.h"
#include "sys/file.h"

using namespace ffrtmp;

namespace {

constexpr std::array kV2Files = {
    kCpuMax,     kCpuWeight,    kCpusetCpusEffective, kMemoryMax, kMemoryHigh,  kMemorySwapMax,
    kIoMax,      kIoWeight,     kIoBfqWeight,         kPidsMax,   kCpuStat,     kMemoryCurrent,
    kMemoryPeak, kMemoryEvents, kMemoryEventsLocal,   kIoStat,    kCpuPressure, kCgroupEvents};
constexpr std::array kV1Files = {
    kV1CpuQuota,         kV1CpuPeriod,       kV1CpuShares,        kV1CpusetEffective,
    kV1MemoryLimit,      kV1MemorySwapLimit, kV1BlkioBfqWeight,   kPidsMax,
    kV1CpuAcctUser,      kV1MemoryUsage,     kV1MemoryOomControl, kV1MemoryFailcnt,
    kV1BlkioServiceBytes};
constexpr std::array kThrottleFiles = {"blkio.throttle.read_bps_device", "blkio.throttle.write_bps_device",
                                       "blkio.throttle.read_iops_device", "blkio.throttle.write_iops_device"};

/// above/leaf, in memory where there is a tmpfs.
struct Tree {
  std::string path;
  Fd leaf, above;
  Tree() {
    path = (::access("/dev/shm", W_OK) == 0 ? "/dev/shm" : "/tmp") + std::string("/ffrtmp-fuzz-XXXXXX");
    if (!::mkdtemp(path.data())) std::abort();
    std::filesystem::create_directories(path + "/above/leaf");
    above = Fd(::open((path + "/above").c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
    leaf = Fd(::open((path + "/above/leaf").c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
    ::atexit([] { std::filesystem::remove_all(tree().path); });
  }
  static Tree& tree() {
    static Tree* one = new Tree;
    return *one;
  }
};

void put(int dir, const char* name, std::string_view text) {
  const Fd fd(::openat(dir, name, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600));
  MUST(fd && ::write(fd.get(), text.data(), text.size()) == static_cast<ssize_t>(text.size()));
}
void drop(const char* name) {
  ::unlinkat(Tree::tree().leaf.get(), name, 0);
  ::unlinkat(Tree::tree().above.get(), name, 0);
}

std::vector<Limit> every_limit() {
  IoMax io;
  io.device = {8, 0};
  return {{LimitKind::cpu_max, CpuMax{}, ""},    {LimitKind::cpu_weight, Weight{}, ""},
          {LimitKind::cpuset, CpuList{}, ""},    {LimitKind::swap_max, Bytes{}, ""},
          {LimitKind::memory_high, Bytes{}, ""}, {LimitKind::memory_max, Bytes{}, ""},
          {LimitKind::io_max, io, ""},           {LimitKind::io_weight, Weight{}, ""},
          {LimitKind::pids_max, Count{}, ""}};
}

void check(const Knobs& with, const Limit& like) {
  Tree& tree = Tree::tree();
  const auto own = with.read(tree.leaf.get(), "", like);
  const auto* value = fuzz::value(own);
  if (value && *value) {
    MUST((*value)->index() == like.value.index());
    if (const auto* max = std::get_if<CpuMax>(&**value)) MUST(max->period_us > 0);
    if (const auto* list = std::get_if<CpuList>(&**value)) MUST(std::ranges::is_sorted(list->cpus));
    if (const auto* io = std::get_if<IoMax>(&**value)) MUST((io->device == BlockDevice{8, 0}));
    (void)format_limit(like.kind, **value);
  }
  const auto effective = effective_limit(with, tree.leaf.get(), 1, like);
  const auto* least = fuzz::value(effective);
  if (!least || !*least || !value || !*value) return;
  // Never looser than what is in force in the leaf itself.
  if (const auto* bytes = std::get_if<Bytes>(&**least)) MUST(*bytes <= std::get<Bytes>(**value));
  if (const auto* count = std::get_if<Count>(&**least)) MUST(count->value <= std::get<Count>(**value).value);
  if (const auto* max = std::get_if<CpuMax>(&**least)) MUST(max->cpus() <= std::get<CpuMax>(**value).cpus());
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  if (size < 2) return 0;
  static const auto limits = every_limit();
  Tree& tree = Tree::tree();
  // One byte picks the file; the rest is what it holds: in the leaf up to a zero byte, above it from there
  // on.
  const bool v2 = data[0] & 1;
  const size_t pick = data[0] >> 1;
  const char* name = v2          ? kV2Files[pick % kV2Files.size()]
                     : pick < 64 ? kV1Files[pick % kV1Files.size()]
                                 : kThrottleFiles[pick % kThrottleFiles.size()];
  const std::string_view text = fuzz::text(data + 1, size - 1);
  const size_t cut = std::min(text.find('\0'), text.size());
  put(tree.leaf.get(), name, text.substr(0, cut));
  put(tree.above.get(), name, text.substr(std::min(cut + 1, text.size())));
  for (const auto& limit : limits) check(v2 ? v2_knobs() : v1_knobs(), limit);

  Leaf leaf;
  CgroupDir dir;
  dir.hierarchy.dialect = v2 ? Dialect::v2 : Dialect::v1;
  dir.hierarchy.names = {"cpu", "cpuacct", "cpuset", "memory", v2 ? "io" : "blkio", "pids"};
  dir.hierarchy.mount_point = tree.path;
  dir.hierarchy.mount_root = "/";
  dir.path = "/above/leaf";
  dir.fd = Fd(::fcntl(tree.leaf.get(), F_DUPFD_CLOEXEC, 3));
  leaf.dirs.push_back(std::move(dir));
  const Usage usage = read_usage(leaf);
  MUST(!dump_json(to_json(usage)).empty());
  (void)OomWatch(leaf).judge();
  (void)leaf.populated();
  drop(name);
  return 0;
}
