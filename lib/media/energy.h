#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

namespace ffrtmp {

/// The energy counters of the processor packages (RAPL, /sys/class/powercap/intel-rapl:N/energy_uj; AMD's
/// too). They count everything on the package, not one job. Readable by root only since Linux 5.10
/// (CVE-2020-8694).
class EnergyMeter {
 public:
  explicit EnergyMeter(const std::string& root = "/sys/class/powercap");
  bool readable() const { return !domains_.empty(); }
  /// Adds what was used since the last call. Call at least every few minutes: a counter wraps after about an
  /// hour at full load, and only one wrap between two calls is seen.
  void sample();
  double joules() const { return microjoules_ / 1e6; }

 private:
  struct Domain {
    std::string path;
    uint64_t range = 0, last = 0;
  };
  std::vector<Domain> domains_;
  double microjoules_ = 0;
};

}  // namespace ffrtmp
