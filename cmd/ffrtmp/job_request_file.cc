#include "job_request_file.h"

#include <fcntl.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include "sys/file.h"
#include "sys/json_reader.h"

namespace ffrtmp {

namespace {

constexpr size_t kLargest = 1 << 20, kMostInputs = 10'000, kMostWords = 10'000;

Status check_owner(int fd, const std::string& path) {
  struct stat info {};
  if (::fstat(fd, &info) != 0) return sys_error("looking at", path);
  if (!S_ISREG(info.st_mode)) return bad_input("--request: not a regular file:", path);
  if (info.st_uid != ::geteuid()) return sys_error("--request: it belongs to another user:", path, EPERM);
  if ((info.st_mode & 077) != 0)
    return bad_input("--request: others may read it:", path, "chmod 600, for it may hold secrets");
  // Between our open and the lock whoever wrote it may have taken it back.
  struct stat now {};
  if (::stat(path.c_str(), &now) != 0 || now.st_ino != info.st_ino || now.st_dev != info.st_dev)
    return sys_error("--request: it was taken back:", path, ENOENT);
  return {};
}

}  // namespace

Result<JobRequestFile> read_request_file(const std::string& path) {
  JobRequestFile out;
  TRY(out.lock, open_at(AT_FDCWD, path, O_RDONLY | O_NOFOLLOW | O_NONBLOCK));
  if (::flock(out.lock.get(), LOCK_EX | LOCK_NB) != 0)
    return sys_error("--request: another ffrtmp starts this job:", path, errno);
  TRY_OK(check_owner(out.lock.get(), path));
  TRY(const std::string text, reread(out.lock.get(), kLargest));
  const auto json = parse_strange_json(text);
  if (!json) return bad_input("--request: " + path + ":", json.error().message());
  FieldErrors errors;
  ObjectReader in(*json, "", errors);
  out.type = in.text("type", 1, 64);
  out.request.inputs = in.texts("inputs", kMostInputs, 65536);
  out.request.outputs = in.texts("outputs", kMostInputs, 65536);
  out.request.parameters = in.pairs("parameters", 1000, 65536);
  out.request.rest = in.texts("rest", kMostWords, 131072);
  out.request.verify = in.text("verify", 0, 16);
  in.done();
  if (!errors.empty()) return bad_input("--request: " + path + ": " + errors[0].field, errors[0].detail);
  return out;
}

}  // namespace ffrtmp
