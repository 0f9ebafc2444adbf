#include "agent/roots.h"

#include <fcntl.h>
#include <linux/openat2.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "sys/fd.h"
#include "sys/file.h"
#include "sys/text.h"

namespace ffrtmp::agent {

namespace {

/// What stands behind the root in a path below it; nullptr-like "" for another path. The root itself is ".".
std::string below(const std::string& path, const std::string& root) {
  if (path == root) return ".";
  const std::string prefix = root == "/" ? "/" : root + "/";
  return path.starts_with(prefix) && path.size() > prefix.size() ? path.substr(prefix.size()) : "";
}

Result<std::string> resolve(const std::string& root, const std::string& rest, const std::string& shown) {
  TRY(const Fd base, open_at(AT_FDCWD, root, O_PATH | O_DIRECTORY));
  open_how how{};
  how.flags = O_PATH | O_CLOEXEC;
  how.resolve = RESOLVE_BENEATH | RESOLVE_NO_MAGICLINKS;
  const Fd fd(static_cast<int>(::syscall(SYS_openat2, base.get(), rest.c_str(), &how, sizeof how)));
  if (!fd && (errno == EXDEV || errno == ELOOP))
    return sys_error("it leads out of the allowed folders:", shown, EACCES);
  if (!fd) return sys_error("opening", shown);
  std::string real = read_link(AT_FDCWD, "/proc/self/fd/" + std::to_string(fd.get()));
  if (real.empty()) return sys_error("resolving", shown);
  return real;
}

}  // namespace

Result<std::string> inside_roots(const std::string& path, const std::vector<std::string>& roots) {
  for (const auto& root : roots)
    if (const std::string rest = below(path, root); !rest.empty()) return resolve(root, rest, path);
  return sys_error("it lies outside the folders that jobs may use here:", path, EACCES,
                   roots.empty()
                       ? "none is allowed (input-roots and output-roots in the agent's configuration)"
                       : "allowed: " + join(roots, ", "));
}

Result<std::string> output_inside_roots(const std::string& path, const std::vector<std::string>& roots) {
  const size_t slash = path.rfind('/');
  if (slash == std::string::npos) return bad_input("not an absolute path:", path);
  const std::string name = path.substr(slash + 1);
  if (name.empty() || name == "." || name == "..") return bad_input("not the name of an output:", path);
  auto folder = inside_roots(slash == 0 ? "/" : path.substr(0, slash), roots);
  if (!folder) return folder;
  return *folder + (*folder == "/" ? "" : "/") + name;
}

}  // namespace ffrtmp::agent
