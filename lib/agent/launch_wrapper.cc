#include "agent/launch_wrapper.h"

#include <fcntl.h>
#include <sys/file.h>
#include <unistd.h>

#include "sys/file.h"

namespace ffrtmp::agent {

Status write_request(const std::string& folder, const Json& request) {
  TRY(const Fd dir, open_dir(AT_FDCWD, folder));
  return write_atomic(dir.get(), kRequestName, dump_json(request) + "\n", 0600);
}

bool take_request_back(const std::string& folder) {
  const std::string path = folder + "/" + kRequestName;
  const auto fd = open_at(AT_FDCWD, path, O_RDONLY);
  if (!fd) return true;
  if (::flock(fd->get(), LOCK_EX | LOCK_NB) != 0) return false;
  // Under the lock: whoever gets it after us finds the name gone, and starts nothing.
  ::unlink(path.c_str());
  return true;
}

Result<Child> start_wrapper(const std::string& program, const std::string& folder,
                            const std::vector<std::string>& arguments) {
  TRY(const Fd null, open_at(AT_FDCWD, "/dev/null", O_RDWR));
  TRY(const Fd err,
      open_at(AT_FDCWD, folder + "/" + kComplaintName, O_WRONLY | O_CREAT | O_TRUNC | O_APPEND, 0600));
  std::vector<std::string> argv = {program, "job", "--request", folder + "/" + kRequestName};
  argv.insert(argv.end(), arguments.begin(), arguments.end());
  return start_child(argv, {null.get(), null.get(), err.get()});
}

std::string wrapper_complaint(const std::string& folder) {
  return read_file(folder + "/" + kComplaintName, 65536).value_or("");
}

Result<Child> start_verb(const std::string& program, const std::vector<std::string>& arguments) {
  TRY(const Fd null, open_at(AT_FDCWD, "/dev/null", O_RDWR));
  std::vector<std::string> argv = {program};
  argv.insert(argv.end(), arguments.begin(), arguments.end());
  return start_child(argv, {null.get(), null.get(), null.get()});
}

Result<std::string> wrapper_program() {
  TRY(std::string path, own_program());
  path = path.substr(0, path.rfind('/')) + "/ffrtmp";
  if (::access(path.c_str(), X_OK) != 0)
    return sys_error("the agent launches jobs through ffrtmp, which should be", path, errno,
                     "install both together");
  return path;
}

}  // namespace ffrtmp::agent
