#include <sys/stat.h>
#include <sys/statvfs.h>
#include <unistd.h>

#include "doctor/doctor.h"
#include "jobs/job_store.h"
#include "sys/text.h"
#include "sys/units.h"

namespace ffrtmp {

Fact state_folder_fact() {
  const std::string path = JobStore::default_path();
  const auto bad = [&](const std::string& why) -> Fact {
    return {"state",
            Health::bad,
            path + ": " + why + ": ps, status, wait, logs and stop will not know jobs",
            {"export FFRTMP_STATE_DIR=\"$HOME/.local/state/ffrtmp\"   # or mend the folder"}};
  };
  if (!path.starts_with("/")) return bad("FFRTMP_STATE_DIR is not an absolute path");
  struct stat info {};
  std::string nearest = path;
  while (nearest.size() > 1 && ::lstat(nearest.c_str(), &info) != 0) {
    if (errno != ENOENT) return bad(strerrordesc_np(errno));
    nearest.erase(std::max<size_t>(nearest.rfind('/'), 1));
  }
  const bool there = nearest == path;
  if (there && !S_ISDIR(info.st_mode)) return bad("not a folder");
  if (there && info.st_uid != ::geteuid()) return bad("it belongs to another user");
  if (::access(nearest.c_str(), W_OK | X_OK) != 0)
    return bad(there ? strerrordesc_np(errno)
                     : "cannot be made in " + nearest + " (" + strerrordesc_np(errno) + ")");
  struct statvfs space {};
  constexpr uint64_t kLittle = 16 << 20;  // a few jobs with their logs
  std::string text = path + (there ? "" : " (made by the first job)");
  if (::statvfs(nearest.c_str(), &space) == 0) {
    const uint64_t free = static_cast<uint64_t>(space.f_bavail) * space.f_frsize;
    text += ", " + format_bytes(Bytes{free}) + " free";
    if (free < kLittle)
      return {"state",
              Health::bad,
              text + ": too little for records and logs",
              {"df -h " + shell_quote(nearest)}};
  }
  return {"state", Health::good, text, {}};
}

}  // namespace ffrtmp
