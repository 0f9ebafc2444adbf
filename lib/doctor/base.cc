#include <fcntl.h>
#include <unistd.h>

#include "cgroup/placement.h"
#include "doctor/doctor.h"
#include "sys/file.h"
#include "sys/text.h"

namespace ffrtmp {

namespace {

/// The folders of jobs below a base: all but our own, which start with '_'.
size_t jobs_in(const std::string& folder) {
  const auto dir = open_dir(AT_FDCWD, folder);
  if (!dir) return 0;
  size_t count = 0;
  for (const auto& name : folders_in(dir->get())) count += name.starts_with("_") ? 0 : 1;
  return count;
}

std::string jobs_text(size_t count) {
  return count == 1 ? "1 job in it now" : std::to_string(count) + " jobs in it now";
}

}  // namespace

std::vector<Fact> base_facts(const Host& host) {
  std::vector<Fact> out;
  const auto places = placement_candidates(host, PlacementRequest{});
  if (!places || places->empty()) return out;  // delegation has said it
  const PlacementKind first = places->front();
  const std::string name(placement_name(first));
  switch (first) {
    case PlacementKind::systemd_system:
    case PlacementKind::systemd_user: {
      const std::string path = scope_cgroup(host);
      const Hierarchy* h = host.unified() ? host.unified() : host.of(Controller::memory);
      const auto folder = h ? h->folder(path) : std::nullopt;
      const bool lives = folder && ::access(folder->c_str(), F_OK) == 0;
      out.push_back(
          {"base",
           Health::good,
           name + " " + path + (lives ? ": " + jobs_text(jobs_in(*folder)) : ": made by the next job"),
           {}});
      if (const auto helper = systemd_helper(); !helper)
        out.push_back({"helper",
                       Health::bad,
                       "no scope can be asked for: " + helper.error().message(),
                       {"sudo make install PREFIX=/usr/local   # in ffrtmp's source folder"}});
      break;
    }
    case PlacementKind::own_subtree:
      out.push_back(
          {"base", Health::good, "below the cgroup that is delegated to us: " + host.unified()->self, {}});
      break;
    case PlacementKind::root: {
      size_t jobs = 0;
      const Hierarchy* h = host.of(Controller::memory) ? host.of(Controller::memory) : host.unified();
      if (const auto folder = h ? h->folder("/ffrtmp") : std::nullopt) jobs = jobs_in(*folder);
      out.push_back({"base", Health::good, "/ffrtmp in each hierarchy: " + jobs_text(jobs), {}});
      break;
    }
    case PlacementKind::parent:
    case PlacementKind::none: break;
  }
  return out;
}

}  // namespace ffrtmp
