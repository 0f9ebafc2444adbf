#include "doctor/doctor.h"
#include "proc/capture.h"
#include "sys/file.h"
#include "sys/text.h"

namespace ffrtmp {

int systemd_version(std::string_view text) {
  const std::string_view first = text.substr(0, text.find('\n'));
  const auto part = words(first);
  if (part.size() < 2 || part[0] != "systemd") return 0;
  // "252", but also "257~rc1" and "256.7".
  const size_t digits = part[1].find_first_not_of("0123456789");
  const auto number = parse_u64(part[1].substr(0, digits));
  return number && *number < 100'000 ? static_cast<int>(*number) : 0;
}

Fact systemd_fact(bool booted, int version, const std::string& first_process) {
  // What the tests run on. 247 gave user managers cpu, 251 marks what is delegated for those who are not
  // root.
  constexpr int kTested = 252, kEnough = 247;
  if (!booted)
    return {"systemd",
            Health::good,
            "not PID 1 here" + (first_process.empty() ? "" : " (that is " + first_process + ")") +
                ": cgroups are made without it",
            {}};
  if (version == 0)
    return {"systemd", Health::lesser, "PID 1, of a version that systemctl does not tell", {}};
  const std::string text = "version " + std::to_string(version);
  if (version >= kTested) return {"systemd", Health::good, text, {}};
  return {"systemd",
          Health::lesser,
          text + ": older than the " + std::to_string(kTested) + " that ffrtmp is tested with" +
              (version < kEnough ? ", and too old to give normal users a CPU limit" : ""),
          {}};
}

Fact find_systemd(const Host& host) {
  int version = 0;
  if (host.systemd)
    if (const auto told = capture({"systemctl", "--version"}, std::chrono::seconds(20)))
      version = systemd_version(told->out);
  const auto comm = read_file("/proc/1/comm");
  return systemd_fact(host.systemd, version, comm ? std::string(trim(*comm)) : "");
}

}  // namespace ffrtmp
