#include "doctor/doctor.h"
#include "sys/file.h"

namespace ffrtmp {

Fact pressure_fact() {
  // Booted with psi=0, the files are there and opening them fails with EOPNOTSUPP.
  const auto text = read_file("/proc/pressure/cpu");
  if (text && text->starts_with("some"))
    return {"pressure", Health::good, "PSI is on: why, status and results tell what a job waits for", {}};
  return {"pressure",
          Health::lesser,
          "no PSI: why can tell less of memory, disk and a busy host",
          {"sudo sed -i 's/^GRUB_CMDLINE_LINUX=\"/&psi=1 /' /etc/default/grub && sudo update-grub",
           "sudo reboot"}};
}

}  // namespace ffrtmp
