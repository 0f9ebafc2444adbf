#include "cgroup/govern.h"

#include <algorithm>
#include <cmath>
#include <cstring>

#include "cgroup/knobs.h"

namespace ffrtmp {

namespace {

constexpr int kIoprioClassShift = 13;  // ioprio_set(2)

int raw_ioprio(const IoPriority& priority) {
  return static_cast<int>(priority.cls) << kIoprioClassShift | priority.level;
}

IoPriority ioprio_from(long raw) {
  // Class 0 is "none": the kernel then derives best-effort from the nice value.
  const int cls = std::clamp(static_cast<int>(raw >> kIoprioClassShift), 0, 3);
  return {cls == 0 ? IoPriority::Class::best_effort : static_cast<IoPriority::Class>(cls),
          cls == 0 ? 4 : static_cast<int>(raw & 7)};
}

std::string dialect_mechanism(const CgroupDir& dir, const std::string& file) {
  return (dir.hierarchy.dialect == Dialect::v2 ? "cgroup v2 " : "cgroup v1 ") + file;
}

/// Tries the limit in the leaf. True when it is in force there; else `row.why` says why not.
bool apply_in_cgroup(const Base* base, const Leaf* leaf, const Limit& limit, ReceiptRow& row) {
  const auto controller = controller_of(limit.kind);
  if (!controller) return false;
  if (!base || !leaf) {
    row.why = "no cgroup";
    return false;
  }
  const CgroupDir* dir = leaf->of(*controller);
  if (const auto missing = base->missing.find(*controller); !dir || missing != base->missing.end()) {
    row.why = missing != base->missing.end() ? missing->second : "no cgroup with that controller";
    return false;
  }
  const Knobs& files = knobs(dir->hierarchy.dialect);
  if (auto written = files.write(dir->fd.get(), limit); !written) {
    row.why = written.error().message();
    return false;
  }
  return read_back(*dir, limit, row);
}

void plan_ionice(const IoPriority& priority, PlannedRow& planned, SpawnPlan& plan) {
  plan.ionice = raw_ioprio(priority);
  planned.settings = {Setting::ionice};
  planned.row.mechanism = "ioprio_set";
}

}  // namespace

void plan_on_ladder(const Limit& limit, PlannedRow& planned, SpawnPlan& plan, const LadderOf& of) {
  auto& row = planned.row;
  row.mechanism = "none";
  switch (limit.kind) {
    case LimitKind::nice:
      plan.nice = std::get<Nice>(limit.value).value;
      planned.settings = {Setting::nice};
      row.mechanism = "setpriority";
      return;
    case LimitKind::oom_score_adj:
      plan.oom_score_adj = std::get<OomScore>(limit.value).value;
      planned.settings = {Setting::oom_score_adj};
      row.mechanism = "oom_score_adj";
      return;
    case LimitKind::ionice: return plan_ionice(std::get<IoPriority>(limit.value), planned, plan);
    case LimitKind::cpu_weight: {
      const unsigned weight = std::get<Weight>(limit.value).value;
      if (plan.nice) {
        row.why += "; --nice is asked for already";
        return;
      }
      plan.nice = nice_of_weight(weight);
      planned.settings = {Setting::nice};
      row.mechanism = "setpriority";
      // Batch work also gives up its wake-up preemption of interactive tasks.
      if (weight < 100 && !of.running) plan.batch = true, planned.settings.push_back(Setting::batch);
      // In a session of its own the nice value would compete with nobody under autogroup (sched(7)).
      if (plan.own_session && !of.running)
        plan.autogroup = std::to_string(*plan.nice), planned.settings.push_back(Setting::autogroup);
      return;
    }
    case LimitKind::cpuset:
    case LimitKind::cpu_max: {
      auto allowed = affinity_of(of.pid);
      if (!allowed) return;
      CpuList wanted =
          limit.kind == LimitKind::cpuset ? std::get<CpuList>(limit.value) : plan.affinity.value_or(*allowed);
      if (limit.kind == LimitKind::cpu_max) {
        const auto count =
            static_cast<unsigned>(std::max(1.0, std::ceil(std::get<CpuMax>(limit.value).cpus())));
        if (count >= wanted.cpus.size()) {
          row.why += "; this host's CPUs are no more than that";
          return;
        }
        wanted = spread_over_cores(wanted, count, 0);
      }
      plan.affinity = wanted;
      planned.settings = {Setting::affinity};
      row.mechanism = "sched_setaffinity";
      return;
    }
    case LimitKind::memory_max:
      if (of.running) return;  // below what it has, its next allocation would fail
      plan.data_limit = std::get<Bytes>(limit.value).count;
      planned.settings = {Setting::data_limit};
      row.mechanism = "RLIMIT_DATA";
      return;
    case LimitKind::io_weight: {
      if (plan.ionice) {
        row.why += "; --ionice is asked for already";
        return;
      }
      const unsigned weight = std::get<Weight>(limit.value).value;
      return plan_ionice({IoPriority::Class::best_effort, weight >= 400   ? 0
                                                          : weight >= 200 ? 2
                                                          : weight >= 100 ? 4
                                                          : weight >= 50  ? 6
                                                                          : 7},
                         planned, plan);
    }
    case LimitKind::swap_max:
    case LimitKind::memory_high:
    case LimitKind::io_max:
    case LimitKind::pids_max: return;  // nothing outside cgroups does this
  }
}

bool read_back(const CgroupDir& dir, const Limit& limit, ReceiptRow& row) {
  const Knobs& files = knobs(dir.hierarchy.dialect);
  const auto in_force = files.read(dir.fd.get(), "", limit);
  if (!in_force || !*in_force) {
    row.why = in_force ? "written, but reads back as no limit"
                       : "written, but cannot be read back: " + in_force.error().message();
    return false;
  }
  row.in_force = shown(limit.kind, **in_force);
  const auto effective = effective_limit(files, dir.fd.get(), dir.depth(), limit);
  if (effective && *effective) row.effective = shown(limit.kind, **effective);
  row.mechanism = dialect_mechanism(dir, files.file(limit.kind));
  const std::string without_effect = files.without_effect(limit.kind);
  // Memory limits are rounded down to whole pages by the kernel; that is as asked.
  const auto* asked_bytes = std::get_if<Bytes>(&limit.value);
  const auto* got_bytes = std::get_if<Bytes>(&**in_force);
  const bool same =
      **in_force == limit.value || (asked_bytes && got_bytes && got_bytes->count <= asked_bytes->count &&
                                    asked_bytes->count - got_bytes->count < 65536);
  row.strength = same && without_effect.empty() ? Strength::enforced : Strength::advisory;
  if (!without_effect.empty())
    row.why = without_effect;
  else if (!same)
    row.why = "the kernel made another value of it";
  else if (row.effective.raw != row.in_force.raw && !row.effective.raw.empty())
    row.why = "a cgroup above is tighter";
  else if (limit.kind == LimitKind::io_max && dir.hierarchy.dialect == Dialect::v1)
    row.why = "cgroup v1 throttles direct and read I/O only, not buffered writes";
  return true;
}

int nice_of_weight(unsigned weight) {
  return std::clamp(static_cast<int>(std::lround(-std::log(weight / 100.0) / std::log(1.25))), -20, 19);
}

std::vector<size_t> writing_order(const std::vector<Limit>& limits, bool v1_memory) {
  std::vector<size_t> order;
  for (size_t i = 0; i < limits.size(); i++) order.push_back(i);
  std::ranges::stable_sort(order, {}, [&](size_t i) {
    const LimitKind kind = limits[i].kind;
    return !controller_of(kind)                       ? 0
           : kind == LimitKind::cpuset                ? 1
           : v1_memory && kind == LimitKind::swap_max ? 3
                                                      : 2;
  });
  return order;
}

Governed apply_limits(const Base* base, const Leaf* leaf, const std::vector<Limit>& limits, SpawnPlan& plan) {
  Governed out;
  for (const auto& limit : limits) out.rows.push_back({limit.kind, limit.value, {}, {}});
  for (size_t i = 0; i < limits.size(); i++) {
    auto& row = out.rows[i].row;
    row.name = limit_name(limits[i].kind);
    row.asked = shown(limits[i].kind, limits[i].value);
    row.origin = limits[i].origin;
  }
  const CgroupDir* memory = leaf ? leaf->of(Controller::memory) : nullptr;
  for (const size_t i : writing_order(limits, memory && memory->hierarchy.dialect == Dialect::v1))
    if (!apply_in_cgroup(base, leaf, limits[i], out.rows[i].row))
      plan_on_ladder(limits[i], out.rows[i], plan, {});
  return out;
}

void fit_threads(Governed& governed, const std::vector<Limit>& limits, unsigned start, SpawnPlan& plan) {
  const auto quota = std::ranges::find(limits, LimitKind::cpu_max, &Limit::kind);
  if (quota == limits.end()) return;
  const auto count = static_cast<unsigned>(std::max(1.0, std::ceil(std::get<CpuMax>(quota->value).cpus())));
  auto allowed = affinity_of(0);
  if (!allowed) return;
  const size_t before = allowed->cpus.size();
  const auto cpuset = std::ranges::find(limits, LimitKind::cpuset, &Limit::kind);
  if (cpuset != limits.end()) {
    const auto& set = std::get<CpuList>(cpuset->value).cpus;
    std::erase_if(allowed->cpus, [&](unsigned cpu) { return std::ranges::find(set, cpu) == set.end(); });
  }
  if (allowed->cpus.empty() || count >= allowed->cpus.size()) return;  // it fits as it is
  plan.affinity = spread_over_cores(*allowed, count, start);
  // Where the quota itself has only affinity to stand in for it, its row tells the same thing.
  for (const auto& planned : governed.rows)
    if (planned.kind == LimitKind::cpu_max && !planned.settings.empty()) return;
  PlannedRow fit{LimitKind::cpu_max, *plan.affinity, {}, {Setting::affinity}};
  fit.row.name = "thread fit";
  fit.row.asked = {std::to_string(before) + " -> " + std::to_string(count) + " CPUs", std::to_string(count)};
  fit.row.mechanism = "sched_setaffinity";
  fit.row.origin = "cpu.max";
  governed.rows.push_back(std::move(fit));
}

std::vector<ReceiptRow> finish_rows(const Governed& governed,
                                    const std::array<SettingOutcome, kSettingCount>& settings) {
  std::vector<ReceiptRow> out;
  for (const auto& planned : governed.rows) {
    ReceiptRow row = planned.row;
    if (planned.settings.empty()) {
      out.push_back(std::move(row));
      continue;
    }
    const SettingOutcome& result = settings[static_cast<size_t>(planned.settings[0])];
    const auto add_why = [&](const std::string& text) { row.why += (row.why.empty() ? "" : "; ") + text; };
    LimitValue now = planned.asked;
    switch (planned.settings[0]) {
      case Setting::nice: {
        const int nice = static_cast<int>(result.in_force);
        row.in_force = {(planned.kind == LimitKind::nice ? "" : "nice ") + std::to_string(nice),
                        std::to_string(nice)};
        now = Nice{nice};
        break;
      }
      case Setting::oom_score_adj:
        now = OomScore{static_cast<int>(result.in_force)};
        row.in_force = shown(planned.kind, now);
        break;
      case Setting::ionice:
        now = ioprio_from(result.in_force);
        row.in_force = shown(LimitKind::ionice, now);
        break;
      case Setting::affinity: {
        const std::string count = std::to_string(result.in_force);
        row.in_force = {count + (result.in_force == 1 ? " CPU" : " CPUs"), count};
        break;
      }
      case Setting::data_limit:
        now = Bytes{static_cast<uint64_t>(result.in_force)};
        row.in_force = {format_bytes(std::get<Bytes>(now)), v2_text(now)};
        break;
      case Setting::autogroup:
      case Setting::batch: break;
    }
    row.effective = row.in_force;
    const bool direct = !controller_of(planned.kind) || row.name == "thread fit";
    const bool wanted =
        row.name == "thread fit" ? result.in_force == std::stol(row.asked.raw) : now == planned.asked;
    row.strength = result.errnum != 0 ? Strength::none
                   : direct && wanted ? Strength::enforced
                                      : Strength::advisory;
    if (result.errnum != 0) {
      add_why(std::string(strerrordesc_np(result.errnum)) +
              (planned.settings[0] == Setting::nice && (result.errnum == EACCES || result.errnum == EPERM)
                   ? " (a nice value below the present one needs CAP_SYS_NICE)"
                   : ""));
    } else if (!direct) {
      if (planned.settings[0] == Setting::data_limit)
        add_why("advisory: counts each process by itself, and its address space rather than its memory");
      else if (planned.settings[0] == Setting::affinity && planned.kind == LimitKind::cpu_max)
        add_why("advisory: whole CPUs only");
      else
        add_why("advisory");
    }
    out.push_back(std::move(row));
  }
  return out;
}

std::vector<const ReceiptRow*> unmet(const Governed& governed, const std::set<LimitKind>& required,
                                     SpawnPlan& plan) {
  std::vector<const ReceiptRow*> out;
  for (const auto& planned : governed.rows) {
    if (!required.contains(planned.kind) || planned.row.name == "thread fit") continue;
    if (controller_of(planned.kind)) {
      if (planned.row.strength != Strength::enforced) out.push_back(&planned.row);
    } else {
      for (const Setting setting : planned.settings) plan.required |= 1u << static_cast<unsigned>(setting);
    }
  }
  return out;
}

}  // namespace ffrtmp
