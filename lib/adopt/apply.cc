#include "adopt/apply.h"

#include <fcntl.h>

#include <algorithm>
#include <thread>

#include "adopt/held.h"
#include "adopt/memory.h"
#include "adopt/move.h"
#include "adopt/settings.h"
#include "adopt/unit_limits.h"
#include "cgroup/govern.h"
#include "cgroup/kernel_files.h"
#include "cgroup/scope_keeper.h"
#include "sys/file.h"
#include "sys/text.h"

namespace ffrtmp {

namespace {

LeafPlace place_of_dir(const CgroupDir& dir) {
  Leaf one;
  one.dirs.push_back({dir.hierarchy, dir.path, Fd(::fcntl(dir.fd.get(), F_DUPFD_CLOEXEC, 3))});
  return places_of(one).front();
}

/// One limit into control files, journaled, without asking whether that is wise.
Status write_files(const CgroupDir& dir, const Limit& limit, Journal& journal) {
  const Knobs& files = knobs(dir.hierarchy.dialect);
  TRY(const auto before, files.snapshot(dir.fd.get(), limit));
  ControlStep step{place_of_dir(dir), before, std::nullopt};
  TRY_OK(journal.add(step));
  TRY_OK(files.write(dir.fd.get(), limit));
  TRY(step.after, files.snapshot(dir.fd.get(), limit));
  return journal.amend(step);
}

/// One limit through systemd, journaled.
Status write_unit(const Standing& standing, const Limit& limit, Journal& journal) {
  TRY(const Json wanted, unit_properties_of(limit));
  std::vector<std::string> names;
  for (const auto& item : wanted) names.push_back(item[0].get<std::string>());
  TRY(const Json now, unit_properties(standing.manager, standing.unit, names));
  UnitStep step{standing.manager, standing.unit, Json::array(), wanted};
  for (const auto& name : names) step.before.push_back(Json::array({name, at_or_null(now, name)}));
  TRY_OK(journal.add(step));
  TRY_OK(set_unit_properties(standing.manager, standing.unit, wanted));
  // As systemd tells it now: what to compare with when it is put back.
  TRY(const Json after, unit_properties(standing.manager, standing.unit, names));
  step.after = Json::array();
  for (const auto& name : names) step.after.push_back(Json::array({name, at_or_null(after, name)}));
  return journal.amend(step);
}

Status write_limit(const Standing& standing, const CgroupDir* dir, const Limit& limit, Journal& journal) {
  if (standing.way == Way::unit) return write_unit(standing, limit, journal);
  return write_files(*dir, limit, journal);
}

/// The cgroup of a controller in which the process stands now, by the kernel's word.
Result<CgroupDir> present_dir(const Host& host, const ProcessIdentity& root, Controller controller) {
  TRY(const ProcessRef process, ProcessRef::open(root));
  const Hierarchy* h = host.of(controller);
  const auto lines = cgroups_of(process);
  const CgroupLine* line = h ? line_of(lines, *h) : nullptr;
  if (!line) return sys_error("finding the cgroup of process", std::to_string(root.pid), ENOENT);
  return open_cgroup(*h, line->path);
}

std::string_view missing_text(const Standing& standing, Controller controller) {
  const auto found = standing.missing.find(controller);
  return found == standing.missing.end() ? "" : std::string_view(found->second);
}

/// Tries one limit in the cgroup. True: in force, and its row filled in. Errors: one that the job would
/// suffer from, which nobody is to go on from.
Result<bool> limit_cgroup(const Host& host, const ProcessIdentity& root, const Standing& standing,
                          const Limit& limit, bool force, ReceiptRow& row, Journal& journal) {
  const auto controller = controller_of(limit.kind);
  if (!controller || standing.way == Way::stay) return false;
  const CgroupDir* dir = standing.leaf.of(*controller);
  if (standing.way != Way::unit && (!dir || standing.missing.contains(*controller))) {
    row.why = missing_text(standing, *controller);
    if (row.why.empty()) row.why = "no cgroup with that controller";
    return false;
  }
  if (limit.kind == LimitKind::memory_max && !force) {
    auto present = standing.way == Way::unit ? present_dir(host, root, *controller)
                                             : Result<CgroupDir>(std::unexpected(Error{}));
    const CgroupDir* memory = present ? &*present : dir;
    const WriteMemory write = [&](LimitKind kind, Bytes bytes) {
      return write_limit(standing, dir, {kind, bytes, ""}, journal);
    };
    if (memory) TRY_OK(make_room(*memory, std::get<Bytes>(limit.value), write));
  }
  if (const auto written = write_limit(standing, dir, limit, journal); !written) {
    if (limit.kind == LimitKind::memory_max && written.error().errnum == EBUSY)
      return bad_input("it uses more than the asked maximum of " + format_limit(limit.kind, limit.value), "",
                       "the kernel could not reclaim so much; give it more");
    row.why = written.error().message();
    return false;
  }
  if (standing.way != Way::unit) return read_back(*dir, limit, row);
  // systemd may have made the cgroup only now (v1), and has moved the process there.
  bool in_force = false;
  for (int look = 0; look < 20 && !in_force; look++) {
    if (look > 0) std::this_thread::sleep_for(std::chrono::milliseconds(10));
    if (const auto now = present_dir(host, root, *controller)) in_force = read_back(*now, limit, row);
  }
  if (in_force) row.mechanism = "systemd, " + row.mechanism;
  return in_force;
}

std::string unmet_text(const std::vector<ReceiptRow>& rows, const std::set<LimitKind>& required) {
  std::string out;
  for (const auto& row : rows)
    if (const auto kind = limit_kind(row.name);
        kind && required.contains(*kind) && row.strength != Strength::enforced)
      out += (out.empty() ? "" : "; ") + row.name + " (" + (row.why.empty() ? "not enforced" : row.why) + ")";
  return out;
}

/// Rows of the limits, with the cgroup's part done and the rest in the ladder.
Result<Governed> limit_all(const Host& host, const ProcessIdentity& root, const Standing& standing,
                           const std::vector<Limit>& limits, bool force, SpawnPlan& ladder,
                           Journal& journal) {
  Governed out;
  for (const auto& limit : limits) {
    PlannedRow planned{limit.kind, limit.value, {}, {}};
    planned.row.name = limit_name(limit.kind);
    planned.row.asked = shown(limit.kind, limit.value);
    planned.row.origin = limit.origin;
    out.rows.push_back(std::move(planned));
  }
  TRY(const ProcessRef process, ProcessRef::open(root));
  const auto threads = threads_of(process);
  if (threads.empty()) return sys_error("finding the threads of process", std::to_string(root.pid), ESRCH);
  const Hierarchy* memory = host.of(Controller::memory);
  for (const size_t i : writing_order(limits, memory && memory->dialect == Dialect::v1)) {
    TRY(const bool done, limit_cgroup(host, root, standing, limits[i], force, out.rows[i].row, journal));
    if (!done) plan_on_ladder(limits[i], out.rows[i], ladder, {threads.front().tid, true});
  }
  return out;
}

Result<std::vector<ReceiptRow>> finish(const ProcessIdentity& root, const std::string& job,
                                       const Governed& governed, const SpawnPlan& ladder,
                                       const std::set<LimitKind>& required, Journal& journal) {
  TRY(const auto outcomes, set_tree(root, job, ladder, journal));
  auto rows = finish_rows(governed, outcomes);
  if (const std::string unmet = unmet_text(rows, required); !unmet.empty())
    return bad_input("--require cannot be met:", unmet);
  return rows;
}

/// Limits of the cgroup that --require asks for and that are not in force: known before anything moves.
Status check_required(const Governed& governed, const std::set<LimitKind>& required) {
  std::vector<ReceiptRow> rows;
  for (const auto& planned : governed.rows)
    if (controller_of(planned.kind)) rows.push_back(planned.row);
  if (const std::string unmet = unmet_text(rows, required); !unmet.empty())
    return bad_input("--require cannot be met:", unmet);
  return {};
}

/// A leaf below the first base that can be had.
struct MadePlace {
  Base base;
  Leaf leaf;
};
Result<MadePlace> make_place(const Host& host, const Plan& plan, const std::string& name, Journal& journal) {
  std::optional<Error> last;
  constexpr int kRounds = 4;  // a scope goes with its last process, maybe just now: then it is made again
  for (int round = 0; round < kRounds; round++)
    for (const PlacementKind kind : plan.candidates) {
      auto base = open_base(host, kind, plan.placement);
      if (!base) {
        last = base.error();
        continue;
      }
      LeafStep step{name, {}};
      for (const auto& dir : base->dirs)
        step.places.push_back({dir.hierarchy.mount_point, (dir.path == "/" ? "" : dir.path) + "/" + name, 0});
      TRY_OK(journal.add(step));
      auto leaf = make_leaf(*base, name);
      if (leaf) return MadePlace{std::move(*base), std::move(*leaf)};
      last = leaf.error();
      if (last->errnum != ENOENT && last->errnum != ENODEV) return std::unexpected(*last);
    }
  return std::unexpected(last.value_or(Error{"no place for a cgroup", "", 0, "", ExitCode::ours}));
}

/// Makes the leaf hold what the old place held, where the leaf does not already.
Status carry_over(const Plan& plan, const Standing& standing, Receipt& receipt, Journal& journal) {
  for (const auto& limit : plan.held) {
    if (holds(standing.leaf, limit)) continue;
    const CgroupDir* dir = standing.leaf.of(*controller_of(limit.kind));
    const auto written = dir ? write_files(*dir, limit, journal) : bad_input("no such controller there", "");
    ReceiptRow row;
    row.name = limit_name(limit.kind);
    row.asked = shown(limit.kind, limit.value);
    row.origin = limit.origin;
    if (written && read_back(*dir, limit, row)) {
      row.why += (row.why.empty() ? "" : "; ") + ("carried over: " + limit.origin);
      receipt.rows.push_back(std::move(row));
      continue;
    }
    return bad_input("moving it would lift " + row.name + " " + row.asked.text + ", " + limit.origin + ",",
                     "and its new place cannot hold it",
                     "limit it where it stands, or give it as a limit of its own");
  }
  return {};
}

Error with_step(const std::string& step, Error error) {
  if (error.errnum == ESRCH)
    return {"the process ended while it was being adopted", "", 0, "", ExitCode::ours};
  if (!step.empty()) error.step = step + ": " + error.step;
  return error;
}

}  // namespace

Result<std::vector<ReceiptRow>> change_limits(const Host& host, const ProcessIdentity& root,
                                              const std::string& job, const Standing& standing,
                                              const ChangeRequest& request, Journal& journal) {
  SpawnPlan ladder;
  TRY(const Governed governed,
      limit_all(host, root, standing, request.limits, request.force, ladder, journal));
  TRY_OK(check_required(governed, request.required));
  return finish(root, job, governed, ladder, request.required, journal);
}

Result<Applied> apply(const Host& host, const Survey& survey, const Plan& plan, const ChangeRequest& request,
                      const std::string& leaf_name, Journal& journal) {
  Applied out;
  const ProcessIdentity& root = survey.process.identity();
  out.standing.way = plan.way;
  Receipt& receipt = out.receipt;
  SpawnPlan ladder;
  Governed governed;
  const auto do_it = [&]() -> Status {
    if (plan.way == Way::leaf) {
      if (!request.force)
        for (const auto& limit : plan.limits)
          if (limit.kind == LimitKind::memory_max && survey.memory_bytes > std::get<Bytes>(limit.value).count)
            return bad_input("it uses " + format_bytes(Bytes{survey.memory_bytes}) +
                                 " of anonymous memory, more than the asked maximum of " +
                                 format_limit(limit.kind, limit.value),
                             "", "give it more, or --force to have the kernel kill it where it must");
      TRY(MadePlace place, make_place(host, plan, leaf_name, journal));
      out.standing.leaf = std::move(place.leaf);
      out.standing.missing = place.base.missing;
      // The limits are there before the process comes, so that it never runs without.
      TRY_OK(carry_over(plan, out.standing, receipt, journal));
      TRY(governed, limit_all(host, root, out.standing, plan.limits, request.force, ladder, journal));
      TRY_OK(check_required(governed, request.required));
      TRY_OK(move_tree(host, root, leaf_name, place.base, out.standing.leaf, journal));
      receipt.placement = placement_name(place.base.kind);
      receipt.unit = place.base.unit;
      const bool in_scope =
          place.base.kind == PlacementKind::systemd_system || place.base.kind == PlacementKind::systemd_user;
      if (in_scope && request.hold_scope) {
        const auto beside = shared_leaf(place.base, kRecordersLeaf);
        const CgroupDir* v2 = beside ? beside->unified() : nullptr;
        if (auto hold = v2 ? hold_cgroup(v2->fd.get()) : sys_error("", "", ENOENT))
          out.scope_hold = std::move(*hold);
      }
      return {};
    }
    if (plan.way == Way::unit) {
      out.standing.manager = survey.place.manager();
      out.standing.unit = survey.place.unit;
      receipt.unit = survey.place.unit;
    }
    receipt.placement = way_name(plan.way);
    if (plan.way == Way::cgroup) {
      out.standing.leaf.ours = false;
      for (const Controller controller : plan.placement.controllers) {
        if (out.standing.leaf.of(controller)) continue;
        TRY(CgroupDir dir, present_dir(host, root, controller));
        out.standing.leaf.dirs.push_back(std::move(dir));
      }
    }
    TRY(governed, limit_all(host, root, out.standing, plan.limits, request.force, ladder, journal));
    return check_required(governed, request.required);
  };
  if (const auto done = do_it(); !done) return std::unexpected(with_step("", done.error()));
  auto rows = finish(root, leaf_name, governed, ladder, request.required, journal);
  if (!rows) return std::unexpected(with_step("", rows.error()));
  if (plan.way == Way::stay)
    for (auto& row : *rows)
      if (const auto kind = limit_kind(row.name);
          kind && controller_of(*kind) && row.strength != Strength::enforced)
        row.why = plan.why + (row.why.empty() ? "" : "; " + row.why);
  receipt.rows.insert(receipt.rows.begin(), rows->begin(), rows->end());
  if (plan.way == Way::unit) {
    // The folders that the limits are in now, to be metered and read again; they are systemd's.
    out.standing.leaf.ours = false;
    for (const Controller controller : kControllers)
      if (!out.standing.leaf.of(controller))
        if (auto dir = present_dir(host, root, controller); dir && dir->path != "/")
          out.standing.leaf.dirs.push_back(std::move(*dir));
  }
  out.standing.leaf.name = out.standing.leaf.ours ? leaf_name : "";
  if (!survey.process.alive())
    return std::unexpected(with_step("", Error{"", "", ESRCH, "", ExitCode::ours}));
  return out;
}

}  // namespace ffrtmp
