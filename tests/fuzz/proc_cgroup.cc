#include "fuzz.h"
#include "proc/procfs.h"

using namespace ffrtmp;

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  std::string again;
  const auto first = parse_proc_cgroup(fuzz::text(data, size));
  for (const auto& line : first) {
    MUST(line.hierarchy >= 0 && line.path.starts_with('/'));
    again += std::to_string(line.hierarchy) + ":";
    for (size_t i = 0; i < line.controllers.size(); i++) {
      MUST(!line.controllers[i].empty());
      again += (i ? "," : "") + line.controllers[i];
    }
    again += ":" + line.path + "\n";
  }
  const auto second = parse_proc_cgroup(again);
  MUST(second.size() == first.size());
  for (size_t i = 0; i < first.size(); i++)
    MUST(second[i].hierarchy == first[i].hierarchy && second[i].controllers == first[i].controllers &&
         second[i].path == first[i].path);
  return 0;
}
