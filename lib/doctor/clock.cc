#include <sys/timex.h>

#include "doctor/doctor.h"

namespace ffrtmp {

Fact clock_fact(bool known, bool synchronised, bool systemd) {
  if (!known) return {"clock", Health::lesser, "whether it is synchronised cannot be told here", {}};
  if (synchronised) return {"clock", Health::good, "synchronised", {}};
  return {"clock",
          Health::lesser,
          "not synchronised: times in results and logs of several hosts do not compare",
          {systemd ? "sudo timedatectl set-ntp true"
                   : "sudo apt-get install -y chrony && sudo service chrony start"}};
}

Fact find_clock(const Host& host) {
  timex state{};  // modes 0: only asks
  const int answer = ::adjtimex(&state);
  return clock_fact(answer >= 0, answer != TIME_ERROR && (state.status & STA_UNSYNC) == 0, host.systemd);
}

}  // namespace ffrtmp
