#include "media/energy.h"

#include <fcntl.h>

#include <algorithm>

#include "sys/file.h"
#include "sys/text.h"

namespace ffrtmp {

namespace {
std::optional<uint64_t> counter(const std::string& path) {
  const auto text = read_file(path);
  return text ? parse_u64(trim(*text)) : std::nullopt;
}
}  // namespace

EnergyMeter::EnergyMeter(const std::string& root) {
  const auto dir = open_dir(AT_FDCWD, root);
  if (!dir) return;
  for (const auto& name : names_in(dir->get())) {
    // Packages only: "intel-rapl:0", not their parts "intel-rapl:0:1", which are counted in them.
    if (!name.starts_with("intel-rapl:") || std::ranges::count(name, ':') != 1) continue;
    if (!read_or_empty(dir->get(), name + "/name").starts_with("package")) continue;
    const std::string folder = root + "/" + name;
    const auto now = counter(folder + "/energy_uj"), range = counter(folder + "/max_energy_range_uj");
    if (now && range && *range > 0) domains_.push_back({folder + "/energy_uj", *range, *now});
  }
}

void EnergyMeter::sample() {
  for (auto& domain : domains_) {
    const auto now = counter(domain.path);
    if (!now) continue;
    microjoules_ +=
        static_cast<double>(*now >= domain.last ? *now - domain.last : *now + domain.range - domain.last);
    domain.last = *now;
  }
}

}  // namespace ffrtmp
