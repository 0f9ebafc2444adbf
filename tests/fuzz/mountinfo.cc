#include "fuzz.h"
#include "proc/procfs.h"

using namespace ffrtmp;

namespace {

/// As the kernel does it (fs/proc_namespace.c, mangle()).
std::string escaped(const std::string& text) {
  std::string out;
  for (const char c : text) {
    char octal[5];
    snprintf(octal, sizeof octal, "\\%03o", static_cast<unsigned char>(c));
    out +=
        c == ' ' || c == '\t' || c == '\n' || c == '\\' || c == '#' ? std::string(octal) : std::string(1, c);
  }
  return out;
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  const auto first = parse_mountinfo(fuzz::text(data, size));
  std::string again;
  for (const auto& mount : first) {
    again += "1 2 " + std::to_string(mount.major) + ":" + std::to_string(mount.minor) + " " +
             escaped(mount.root) + " " + escaped(mount.mount_point) + (mount.read_only ? " ro" : " rw") +
             " shared:1 - " + mount.fs_type + " " + escaped(mount.source) + " ";
    for (size_t i = 0; i < mount.super_options.size(); i++) again += (i ? "," : "") + mount.super_options[i];
    again += "\n";
  }
  const auto second = parse_mountinfo(again);
  MUST(second.size() == first.size());
  for (size_t i = 0; i < first.size(); i++) {
    MUST(second[i].major == first[i].major && second[i].minor == first[i].minor);
    MUST(second[i].root == first[i].root && second[i].mount_point == first[i].mount_point);
    MUST(second[i].source == first[i].source && second[i].fs_type == first[i].fs_type);
    MUST(second[i].read_only == first[i].read_only);
  }
  return 0;
}
