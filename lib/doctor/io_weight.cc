#include <fcntl.h>
#include <unistd.h>

#include <climits>

#include "cgroup/block_device.h"
#include "cgroup/knobs.h"
#include "doctor/doctor.h"
#include "jobs/job_store.h"
#include "sys/file.h"

namespace ffrtmp {

namespace {

bool can_be_chosen(const std::string& disk) {
  const auto text = read_file("/sys/class/block/" + disk + "/queue/scheduler");
  return text && !text->empty();
}

/// The disk that the state folder or the root lies on, else the first whose scheduler can be chosen; "" where
/// there is none.
std::string some_disk() {
  for (const std::string& folder : {JobStore::default_path(), std::string("/var/tmp"), std::string("/")}) {
    const auto device = find_block_device(folder);
    if (!device) continue;
    const std::string path = read_link(
        AT_FDCWD, "/sys/dev/block/" + std::to_string(device->major) + ":" + std::to_string(device->minor));
    if (path.empty()) continue;
    if (const std::string name = path.substr(path.rfind('/') + 1); can_be_chosen(name)) return name;
  }
  const auto dir = open_dir(AT_FDCWD, "/sys/class/block");
  if (!dir) return "";
  for (const auto& name : names_in(dir->get()))
    if (!name.starts_with("loop") && !name.starts_with("ram") && can_be_chosen(name)) return name;
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
