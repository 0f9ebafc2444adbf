#include <fcntl.h>

#include "cgroup/block_device.h"
#include "cgroup/knobs.h"
#include "doctor/doctor.h"
#include "sys/file.h"
#include "sys/text.h"

namespace ffrtmp {

namespace {

/// The first disk whose scheduler can be chosen; "" where there is none.
std::string some_disk() {
  const auto dir = open_dir(AT_FDCWD, "/sys/class/block");
  if (!dir) return "";
  for (const auto& name : names_in(dir->get())) {
    if (name.starts_with("loop") || name.starts_with("ram") || name.starts_with("zram")) continue;
    const auto text = read_file("/sys/class/block/" + name + "/queue/scheduler");
    if (text && trim(*text) != "none") return name;
    if (text && text->contains("bfq")) return name;
  }
  return "";
}

}  // namespace

Fact io_weight_fact(const Host& host) {
  const Hierarchy* h = host.of(Controller::io);
  if (!h) return {"io.weight", Health::lesser, "no io controller here: --io-weight comes to ionice", {}};
  const std::string why = knobs(h->dialect).without_effect(LimitKind::io_weight);
  if (why.empty())
    return {"io.weight", Health::good, "a disk here uses BFQ or iocost: --io-weight has an effect", {}};
  Fact fact{"io.weight", Health::lesser, "--io-weight has no effect: " + why, {}};
  if (const std::string disk = some_disk(); !disk.empty())
    fact.mend = {"sudo modprobe bfq && echo bfq | sudo tee /sys/block/" + disk + "/queue/scheduler"};
  return fact;
}

}  // namespace ffrtmp
