#include "adopt/place.h"

#include <algorithm>
#include <optional>
#include <vector>

#include "sys/text.h"

namespace ffrtmp {

namespace {

/// The runtime whose naming this is, or "".
std::string runtime_of(std::string_view part, std::string_view above) {
  struct Naming {
    const char* start;
    const char* runtime;
  };
  // Units and folders that runtimes make: docker-ID.scope (systemd driver), /docker/ID (cgroupfs driver), …
  constexpr Naming kStarts[] = {
      {"docker-", "docker"},    {"libpod-", "podman"},      {"cri-containerd-", "containerd"},
      {"crio-", "CRI-O"},       {"kubepods", "Kubernetes"}, {"lxc.payload", "LXC"},
      {"lxc.monitor", "LXC"},   {"machine-", "a machine"},  {"systemd-nspawn@", "systemd-nspawn"},
      {"buildkit", "BuildKit"},
  };
  for (const auto& naming : kStarts)
    if (part.starts_with(naming.start) && part != "docker.service") return naming.runtime;
  if (above == "docker" || above == "lxc" || above == "ecs" || above == "garden") return std::string(above);
  return "";
}

bool unit_name(std::string_view part) {
  return std::ranges::any_of(
      std::vector<std::string_view>{".service", ".scope", ".socket", ".mount", ".swap"},
      [&](std::string_view suffix) { return part.ends_with(suffix) && part.size() > suffix.size(); });
}

/// "1500" of "user@1500.service".
std::optional<uint64_t> manager_of(std::string_view part) {
  if (!part.starts_with("user@") || !part.ends_with(".service")) return std::nullopt;
  return parse_u64(part.substr(5, part.size() - 5 - std::string_view(".service").size()));
}

}  // namespace

Place place_of(const std::string& cgroup_path) {
  Place out;
  out.path = cgroup_path;
  std::vector<std::string_view> parts;
  for (std::string_view part : split(cgroup_path, '/'))
    if (!part.empty()) parts.push_back(part);
  if (parts.empty()) return out;
  out.kind = Place::Kind::plain;
  for (size_t i = 0; i < parts.size(); i++) {
    const std::string_view part = parts[i], above = i > 0 ? parts[i - 1] : "";
    const bool our_base = part == "ffrtmp-jobs.scope" || part == "ffrtmp";
    // Our own scope, or our folder at the top or in a delegated cgroup: what is below is a job.
    if (our_base && i + 1 < parts.size() && (part != "ffrtmp" || i == 0 || !out.unit.empty())) {
      out.kind = Place::Kind::ours;
      out.name = parts[i + 1];
      return out;
    }
    if (const std::string runtime = runtime_of(part, above); !runtime.empty()) {
      out.kind = Place::Kind::container;
      out.name = runtime;
      if (unit_name(part) && out.unit.empty()) out.unit = part;
      return out;
    }
    if (!out.unit.empty()) {
      out.below += "/" + std::string(part);
      continue;
    }
    if (const auto uid = manager_of(part); uid && i + 1 < parts.size()) {
      out.user = true;
      out.uid = static_cast<uid_t>(*uid);
      continue;
    }
    if (!unit_name(part)) continue;
    out.unit = part;
    const bool session =
        part.starts_with("session-") && part.ends_with(".scope") && above.starts_with("user-");
    out.kind = session ? Place::Kind::session : Place::Kind::unit;
  }
  return out;
}

std::string describe(const Place& place) {
  switch (place.kind) {
    case Place::Kind::root: return "nobody (the top of the cgroup hierarchy)";
    case Place::Kind::plain: return "nobody that is known (cgroup " + place.path + ")";
    case Place::Kind::unit:
      return "systemd unit " + place.unit + (place.user ? " of user " + std::to_string(place.uid) : "") +
             (place.below.empty() ? "" : ", in its cgroup " + place.below);
    case Place::Kind::session: return "login session " + place.unit;
    case Place::Kind::container: return "a container (" + place.name + ", cgroup " + place.path + ")";
    case Place::Kind::ours: return "job " + place.name + " of ffrtmp";
  }
  return "";
}

}  // namespace ffrtmp
