#pragma once

#include <set>
#include <string>
#include <vector>

#include "adopt/survey.h"
#include "cgroup/limit.h"
#include "cgroup/placement.h"
#include "sys/json.h"

namespace ffrtmp {

/// How a process comes under limits.
enum class Way {
  unit,    ///< its systemd unit is limited, through systemd; nothing moves
  cgroup,  ///< the cgroup in which it stands is limited; nothing moves
  leaf,    ///< it and its descendants are moved into a cgroup of ours
  stay,    ///< only its own settings are changed (nice, ionice, affinity, oom_score_adj)
};
std::string_view way_name(Way way);

/// What the decision depends on, and nothing else.
struct Facts {
  Place place;
  bool systemd = false;       ///< PID 1 is systemd
  bool may_ask = false;       ///< the unit's manager takes changes from us
  bool may_write = false;     ///< the control files of the place are ours to write, by law and by permission
  size_t strangers = 0;       ///< others in the place
  bool main_process = false;  ///< of its unit
  bool split_threads = false;
  std::string container;  ///< why it seems to be in one, or ""
  bool needs_cgroup = false;
  bool move = false;    ///< --move: the operator knows what is lost
  std::string no_leaf;  ///< why there is no place of ours on this host, or ""
};
struct Decision {
  Way way = Way::stay;
  std::string why;  ///< one sentence
};
/// The four cases. Pure.
Decision decide(const Facts& facts);

/// What would happen, as data: what --plan prints and what apply() does.
struct Plan {
  Way way = Way::stay;
  std::string why;
  PlacementRequest placement;
  std::vector<PlacementKind> candidates;  ///< for Way::leaf, best first
  std::vector<Limit> limits;              ///< as asked
  std::vector<Limit> held;                ///< what its present place holds it to, which a move must not lift
  std::vector<std::string> irreversible;  ///< what detach will not be able to put back, a sentence each
};

struct PlanRequest {
  std::vector<Limit> limits;
  PlacementRequest placement;
  bool move = false;
};
/// Plans without touching anything. Errors: a placement that this host cannot satisfy.
Result<Plan> make_plan(const Host& host, const Survey& survey, const PlanRequest& request);

/// For people, a line each.
std::string plan_text(const Survey& survey, const Plan& plan);
Json to_json(const Survey& survey, const Plan& plan);

}  // namespace ffrtmp
