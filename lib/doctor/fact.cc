#include "doctor/fact.h"

namespace ffrtmp {

std::string_view health_name(Health health) {
  switch (health) {
    case Health::good: return "good";
    case Health::lesser: return "lesser";
    case Health::bad: return "bad";
  }
  return "";
}

Json to_json(const Fact& fact) {
  return {{"subject", fact.subject},
          {"health", health_name(fact.health)},
          {"text", fact.text},
          {"mend", fact.mend}};
}

}  // namespace ffrtmp
