#include "doctor/doctor.h"

namespace ffrtmp {

void examine(const Host& host, bool encoders, const std::function<void(const Fact&)>& tell) {
  const auto each = [&](const std::vector<Fact>& facts) {
    for (const auto& fact : facts) tell(fact);
  };
  each(hierarchy_facts(host));
  each(delegation_facts(find_delegation(host)));
  each(base_facts(host));
  tell(find_systemd(host));
  tell(pressure_fact());
  tell(find_autogroup(host));
  tell(find_realtime(host));
  tell(io_weight_fact(host));
  each(kernel_facts(host));
  tell(find_clock(host));
  tell(state_folder_fact());
  each(engine_facts(encoders));
}

}  // namespace ffrtmp
