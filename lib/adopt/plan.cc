#include "adopt/plan.h"

#include <fcntl.h>
#include <sys/resource.h>
#include <sys/xattr.h>
#include <unistd.h>

#include <algorithm>

#include "adopt/held.h"
#include "cgroup/govern.h"
#include "cgroup/kernel_files.h"
#include "sys/redact.h"
#include "sys/text.h"

namespace ffrtmp {

std::string_view way_name(Way way) {
  switch (way) {
    case Way::unit: return "unit in place";
    case Way::cgroup: return "cgroup in place";
    case Way::leaf: return "moved";
    case Way::stay: return "none";
  }
  return "";
}

Decision decide(const Facts& f) {
  using Kind = Place::Kind;
  const std::string others =
      std::to_string(f.strangers) + (f.strangers == 1 ? " other process" : " other processes");
  const auto leaf = [&](const std::string& why) -> Decision {
    if (!f.no_leaf.empty()) return {Way::stay, why + ", and there is no place to move it to: " + f.no_leaf};
    return {Way::leaf, why};
  };
  if (f.move) return leaf("--move was given");
  if (!f.needs_cgroup) return {Way::stay, "no limit that takes a cgroup is asked for, so nothing moves"};
  if (!f.container.empty())
    return {Way::stay,
            "it is in " + f.container +
                ", whose runtime owns its cgroup (docker update, podman update, ...); --move overrides"};
  if (f.split_threads)
    return {Way::stay, "its threads stand in different cgroups, where somebody has placed them one by one"};
  if (f.place.kind == Kind::unit && f.systemd) {
    if (f.strangers == 0 && f.place.below.empty())
      return f.may_ask
                 ? Decision{Way::unit, "it is alone in " + f.place.unit + ", which systemd limits in place"}
                 : Decision{Way::stay,
                            "it is alone in " + f.place.unit +
                                ", which only root may have systemd limit; --move takes it out of there"};
    if (f.strangers == 0 && f.may_write)
      return {Way::cgroup, "it is alone in a cgroup delegated to " + f.place.unit};
    if (f.main_process)
      return {Way::stay, "it is the main process of " + f.place.unit + ", which holds " + others +
                             ": systemctl would lose it; limit the unit, or say --move"};
    return leaf("it shares " + f.place.unit + " with " + others);
  }
  if (f.place.kind == Kind::session) return leaf("it is in a login session, which is shared by nature");
  if (f.place.kind == Kind::plain && f.strangers == 0 && f.may_write)
    return {Way::cgroup, "it is alone in its cgroup, which is ours to write"};
  if (f.place.kind == Kind::plain && f.strangers > 0)
    return leaf("it shares cgroup " + f.place.path + " with " + others);
  return leaf(f.place.kind == Kind::plain ? "its cgroup is not ours to write"
                                          : "it is in no cgroup of its own");
}

namespace {

/// Whether systemd has handed this folder, or one above it up to the unit's, to somebody else.
bool below_delegated(const Host& host, const Place& place) {
  const Hierarchy* h = host.unified();
  if (!h || place.below.empty() || !place.path.ends_with(place.below)) return false;
  const auto folder = h->folder(place.path.substr(0, place.path.size() - place.below.size()));
  char value[8];
  for (const char* name : {"user.delegate", "trusted.delegate"})
    if (folder && ::getxattr(folder->c_str(), name, value, sizeof value) == 1 && value[0] == '1') return true;
  return false;
}

/// Whether we may write the control files of every asked controller where the process stands.
bool may_write(const Host& host, const Survey& survey, const std::set<Controller>& controllers) {
  if (host.systemd && !below_delegated(host, survey.place)) return false;
  for (const Controller controller : controllers) {
    const Hierarchy* h = host.of(controller);
    const CgroupLine* line = h ? line_of(survey.cgroups, *h) : nullptr;
    const auto folder = line && !h->read_only ? h->folder(line->path) : std::nullopt;
    if (!folder) return false;
    const char* file = controller == Controller::cpu ? (h->dialect == Dialect::v2 ? kCpuWeight : kV1CpuShares)
                       : controller == Controller::pids   ? kPidsMax
                       : controller == Controller::cpuset ? kCpusetCpus
                       : controller == Controller::memory
                           ? (h->dialect == Dialect::v2 ? kMemoryMax : kV1MemoryLimit)
                           : (h->dialect == Dialect::v2 ? kIoMax : kCgroupProcs);
    if (::access((*folder + "/" + file).c_str(), W_OK) != 0) return false;
  }
  return true;
}

/// What this user could not take back.
std::vector<std::string> irreversible(const Host& host, const Survey& survey, const Plan& plan) {
  std::vector<std::string> out;
  if (plan.way == Way::leaf && host.systemd && survey.strangers == 0 && !survey.place.unit.empty())
    out.push_back("systemd ends " + survey.place.unit +
                  " when its last process has left: there will be nothing to go back to");
  if (host.uid == 0) return out;
  for (const auto& limit : plan.limits) {
    const auto* nice = std::get_if<Nice>(&limit.value);
    const bool by_weight = limit.kind == LimitKind::cpu_weight && plan.way == Way::stay;
    const int wanted = nice        ? nice->value
                       : by_weight ? nice_of_weight(std::get<Weight>(limit.value).value)
                                   : survey.stat.nice;
    rlimit least{};
    // can_nice() asks the limit of the process that is changed: 20 - RLIMIT_NICE is the lowest value.
    const bool may_return =
        ::prlimit(survey.process.pid(), RLIMIT_NICE, nullptr, &least) == 0 &&
        20 - static_cast<int64_t>(std::min<rlim_t>(least.rlim_cur, 40)) <= survey.stat.nice;
    if (wanted > survey.stat.nice && !may_return)
      out.push_back("nice goes up and this user may not lower it again (CAP_SYS_NICE, or RLIMIT_NICE)");
  }
  if (plan.way == Way::leaf && host.systemd && survey.place.kind != Place::Kind::root &&
      !(survey.place.user && survey.place.uid == host.uid))
    out.push_back("out of " + (survey.place.unit.empty() ? survey.place.path : survey.place.unit) +
                  " there is no way back for this user, only for root");
  return out;
}

}  // namespace

Result<Plan> make_plan(const Host& host, const Survey& survey, const PlanRequest& request) {
  Plan out;
  out.limits = request.limits;
  out.placement = request.placement;
  out.placement.controllers = controllers_of(out.limits);
  // A stream must outlive whatever unit this command happens to run in.
  out.placement.leave_callers_unit = true;
  TRY(out.candidates, placement_candidates(host, out.placement));
  Facts facts;
  facts.place = survey.place;
  facts.systemd = host.systemd;
  facts.may_ask = host.uid == 0 || (survey.place.user && survey.place.uid == host.uid);
  facts.may_write = may_write(host, survey, out.placement.controllers);
  facts.strangers = survey.strangers;
  facts.main_process = survey.main_process;
  facts.split_threads = survey.split_threads;
  facts.container = survey.container;
  facts.needs_cgroup = !out.placement.controllers.empty();
  facts.move = request.move;
  if (out.candidates.empty()) {
    facts.no_leaf = why_no_place(host, out.placement);
    if (facts.no_leaf.empty()) facts.no_leaf = "--placement none was given";
  }
  Decision decision = decide(facts);
  out.way = decision.way;
  out.why = std::move(decision.why);
  if (out.way == Way::leaf) out.held = held_limits(host, survey.cgroups);
  out.irreversible = irreversible(host, survey, out);
  return out;
}

namespace {

/// What a limit will be done by, as far as can be said beforehand.
std::string means_of(const Plan& plan, const Limit& limit) {
  if (limit.kind == LimitKind::nice) return "setpriority on every thread";
  if (limit.kind == LimitKind::ionice) return "ioprio_set on every thread";
  if (limit.kind == LimitKind::oom_score_adj) return "oom_score_adj of every process";
  switch (plan.way) {
    case Way::unit: return "systemd, SetUnitProperties until the next boot";
    case Way::cgroup: return "the control files of its cgroup";
    case Way::leaf: return "the control files of its new cgroup";
    case Way::stay: break;
  }
  switch (limit.kind) {
    case LimitKind::cpu_weight: return "nice instead, advisory";
    case LimitKind::cpu_max:
    case LimitKind::cpuset: return "CPU affinity instead, advisory";
    case LimitKind::io_weight: return "ionice instead, advisory";
    default: return "nothing: it takes a cgroup";
  }
}

std::string goes_where(const Plan& plan) {
  switch (plan.way) {
    case Way::leaf:
      return "into a cgroup of its own (" +
             std::string(placement_name(plan.candidates.empty() ? PlacementKind::none : plan.candidates[0])) +
             ")";
    case Way::unit:
    case Way::cgroup: return "nowhere: limited where it stands";
    case Way::stay: return "nowhere";
  }
  return "";
}

}  // namespace

std::string plan_text(const Survey& survey, const Plan& plan) {
  std::string out;
  const auto line = [&](const std::string& name, const std::string& text) {
    std::string left = "  " + name;
    left.resize(12, ' ');
    out += left + printable(text) + "\n";
  };
  out += "process " + std::to_string(survey.process.pid()) + ": " +
         printable(shell_quote(redact(survey.command))) + "\n";
  line("user", survey.user);
  line("tree", std::to_string(survey.tree.size()) +
                   (survey.tree.size() == 1 ? " process, " : " processes, ") +
                   std::to_string(survey.threads) + (survey.threads == 1 ? " thread" : " threads"));
  line("owner", survey.container.empty() ? describe(survey.place) : survey.container);
  line("cgroup", survey.place.path);
  line("moves", goes_where(plan));
  line("because", plan.why);
  for (const auto& limit : plan.limits)
    line("set", std::string(limit_name(limit.kind)) + " " + format_limit(limit.kind, limit.value) + " by " +
                    means_of(plan, limit));
  for (const auto& limit : plan.held)
    line("keep", std::string(limit_name(limit.kind)) + " " + format_limit(limit.kind, limit.value) + ", " +
                     limit.origin + ", unless the new place is as tight");
  for (const auto& text : plan.irreversible) line("no way back", text);
  line("undo", "ffrtmp detach puts the rest back as it is now");
  return out;
}

Json to_json(const Survey& survey, const Plan& plan) {
  Json limits = Json::array(), held = Json::array();
  for (const auto& limit : plan.limits)
    limits.push_back({{"limit", limit_name(limit.kind)},
                      {"value", format_limit(limit.kind, limit.value)},
                      {"by", means_of(plan, limit)}});
  for (const auto& limit : plan.held)
    held.push_back({{"limit", limit_name(limit.kind)},
                    {"value", format_limit(limit.kind, limit.value)},
                    {"by", limit.origin}});
  return {{"schema", 1},
          {"pid", survey.process.pid()},
          {"command", redact(survey.command)},
          {"user", survey.user},
          {"processes", survey.tree},
          {"threads", survey.threads},
          {"owner", survey.container.empty() ? describe(survey.place) : survey.container},
          {"unit", survey.place.unit},
          {"cgroup", survey.place.path},
          {"way", way_name(plan.way)},
          {"why", plan.why},
          {"limits", limits},
          {"held", held},
          {"irreversible", plan.irreversible}};
}

}  // namespace ffrtmp
