#include "jobs/adoption.h"

#include <fcntl.h>
#include <unistd.h>

#include <algorithm>

#include "cgroup/freezer.h"
#include "cgroup/scope_keeper.h"
#include "jobs/job_id.h"
#include "jobs/result.h"
#include "sys/file.h"
#include "sys/text.h"

namespace ffrtmp {

namespace {

std::string process_name(pid_t pid) { return "process " + std::to_string(pid); }

bool still_lives(const JobStore& store, const Holding& held) {
  const auto job = store.find(held.job_id);
  return job && !is_over(job->state);
}

/// Whether a process of that lineage is in the tree of `root` (see process_tree).
bool descends(const std::vector<ProcStat>& lineage, const ProcessIdentity& root) {
  if (lineage.empty() || root.boot_id != boot_id()) return false;
  if (std::ranges::any_of(lineage, [&](const ProcStat& stat) {
        return stat.pid == root.pid && stat.start_ticks == root.start_ticks;
      }))
    return true;
  const ProcStat& top = lineage.back();
  const bool orphan = top.ppid == 1 && (top.session == root.pid || top.pgrp == root.pid);
  return orphan && is_alive(root);
}

/// Whether another job has the process, or one of those below it.
Status check_free(const JobStore& store, const Survey& survey) {
  const pid_t pid = survey.process.pid();
  const auto taken = [&](const std::string& job) {
    return bad_input(process_name(pid) + " is governed already, by job", job,
                     "ffrtmp set " + job + " changes its limits");
  };
  if (survey.place.kind == Place::Kind::ours)
    return survey.place.name.starts_with('_') ? bad_input(process_name(pid) + " is one of ffrtmp's own", "")
                                              : taken(survey.place.name);
  const auto lineage = lineage_of(pid);
  for (const auto& held : store.holdings()) {
    if (!held.workload) continue;
    const pid_t other = held.workload->pid;
    if (held.observer && held.observer->pid == pid && is_alive(*held.observer))
      return bad_input(process_name(pid) + " is what waits for job", held.job_id);
    if (other != pid && held.mode == "attach" && std::ranges::find(survey.tree, other) != survey.tree.end() &&
        still_lives(store, held))
      return bad_input("below " + process_name(pid) + " there is a job already:", held.job_id,
                       "ffrtmp detach " + held.job_id + " first, or attach another process");
    if (descends(lineage, *held.workload) && still_lives(store, held)) return taken(held.job_id);
  }
  return {};
}

Record first_record(const Survey& survey, const AdoptRequest& request) {
  Record record;
  record.job_id = request.job_id;
  record.mode = "attach";
  record.rule = request.rule;
  record.command = survey.command;
  record.workdir = survey.workdir;
  record.started_at = wall_now();
  record.boot_id = boot_id();
  record.workload = survey.process.identity();
  record.receipt.placement = way_name(Way::stay);
  if (const auto self = ProcessRef::open(::getpid())) record.observer = self->identity();
  return record;
}

std::string joined(const std::vector<std::string>& parts) {
  constexpr size_t kMost = 3;
  std::vector<std::string> shown(parts.begin(),
                                 parts.begin() + static_cast<ptrdiff_t>(std::min(parts.size(), kMost)));
  std::string out = join(shown, "; ");
  if (parts.size() > kMost) out += "; and " + std::to_string(parts.size() - kMost) + " more";
  return out;
}

/// Adds to an error what could not be put back after it.
Error with_left(Error error, const RestoreReport& report) {
  if (!report.left.empty())
    error.hint += (error.hint.empty() ? "" : "; ") + ("not put back: " + joined(report.left));
  return error;
}

/// An error when limits were asked for and nothing at all came of them.
Status check_something(const std::vector<Limit>& asked, const std::vector<ReceiptRow>& rows) {
  std::string why;
  for (const auto& row : rows) {
    const bool own =
        std::ranges::any_of(asked, [&](const Limit& limit) { return limit_name(limit.kind) == row.name; });
    if (!own) continue;  // carried over
    if (row.strength != Strength::none) return {};
    why += (why.empty() ? "" : "; ") + row.name + ": " + (row.why.empty() ? "it takes a cgroup" : row.why);
  }
  if (asked.empty()) return {};
  return bad_input("nothing of what was asked can be put in force:", why);
}

/// Where everything runs at the top of the hierarchy, each thread there weighs as much as a whole cgroup.
bool weighed_by_thread(const Host& host, const Survey& survey, const Plan& plan) {
  const Hierarchy* cpu = host.of(Controller::cpu);
  const CgroupLine* line = cpu ? line_of(survey.cgroups, *cpu) : nullptr;
  const bool asked =
      plan.placement.controllers.contains(Controller::cpu) || (cpu && cpu->dialect == Dialect::v2);
  return plan.way == Way::leaf && line && line->path == "/" && asked &&
         std::ranges::find(plan.limits, LimitKind::cpu_weight, &Limit::kind) == plan.limits.end();
}

void note_place(const Host& host, const Survey& survey, const Plan& plan, Receipt& receipt) {
  receipt.notes.push_back("belonged to " +
                          (survey.container.empty() ? describe(survey.place) : survey.container) + "; " +
                          plan.why);
  if (plan.way == Way::leaf && plan.placement.controllers.contains(Controller::memory))
    receipt.notes.push_back(
        "memory that it had before stays charged to its old cgroup: the limit counts what it takes from now "
        "on");
  if (weighed_by_thread(host, survey, plan))
    receipt.notes.push_back(
        "for CPU time under contention it now counts as one cgroup (weight 100), and no more thread by "
        "thread: "
        "--cpu-weight gives it more");
  for (const auto& text : plan.irreversible) receipt.notes.push_back(text);
}

/// Where the job's cgroup is shown: where memory is accounted, else the first.
void show_leaf(const Leaf& leaf, Record& record) {
  record.cgroups = places_of(leaf);
  record.leaf_name = leaf.name;
  record.own_leaf = leaf.ours;
  if (const auto* memory = leaf.of(Controller::memory))
    record.receipt.cgroup = memory->path;
  else if (!leaf.dirs.empty())
    record.receipt.cgroup = leaf.dirs.front().path;
}

/// How a stored job stands, for changing it.
Standing standing_of(const Host& host, const Record& record) {
  Standing out;
  out.leaf = leaf_of(host, record);
  if (record.receipt.placement == way_name(Way::unit) && !record.receipt.unit.empty()) {
    out.way = Way::unit;
    out.unit = record.receipt.unit;
    out.manager = place_of(record.receipt.cgroup).manager();
    return out;
  }
  if (!out.leaf.dirs.empty()) out.way = record.own_leaf ? Way::leaf : Way::cgroup;
  return out;
}

/// Rows of a change into a receipt: one limit has one row (one a disk).
void merge_rows(Receipt& receipt, const std::vector<ReceiptRow>& rows) {
  for (const auto& row : rows) {
    const auto same = std::ranges::find_if(receipt.rows, [&](const ReceiptRow& old) {
      const auto disk = [](const ReceiptRow& r) { return r.asked.raw.substr(0, r.asked.raw.find(' ')); };
      return old.name == row.name && (row.name != "io.max" || disk(old) == disk(row));
    });
    if (same == receipt.rows.end())
      receipt.rows.push_back(row);
    else
      *same = row;
  }
}

Result<StoredJob> living(const JobStore& store, const std::string& job_id) {
  TRY(StoredJob job, store.find(job_id));
  if (is_over(job.state) || !job.record.workload || !is_alive(*job.record.workload))
    return bad_input("the job has ended:", job_id, "ffrtmp status " + job_id + " tells how");
  return job;
}

AdoptedJob adopted(Record record, JobFolder folder, Leaf leaf, ProcessRef process, Fd hold) {
  OomWatch oom(leaf);
  return {std::move(record), std::move(folder), std::move(leaf), std::move(process),
          std::move(oom),    std::move(hold),   monotonic_now()};
}

}  // namespace

std::optional<std::string> job_of(const JobStore& store, const std::vector<ProcStat>& lineage) {
  for (const auto& held : store.holdings())
    if (held.workload && descends(lineage, *held.workload) && still_lives(store, held)) return held.job_id;
  return std::nullopt;
}

Result<std::pair<Survey, Plan>> plan_adoption(const Host& host, const JobStore& store,
                                              const AdoptRequest& request) {
  TRY(Survey found, survey(host, request.pid, controllers_of(request.plan.limits)));
  if (request.only && found.process.identity() != *request.only)
    return sys_error("adopting", process_name(request.pid), ESRCH);
  TRY_OK(check_free(store, found));
  TRY(Plan plan, make_plan(host, found, request.plan));
  return std::pair{std::move(found), std::move(plan)};
}

Result<AdoptedJob> adopt(const Host& host, const JobStore& store, const AdoptRequest& request) {
  TRY(const Fd one_at_a_time, store.lock_adoption());
  TRY(auto planned, plan_adoption(host, store, request));
  auto& [found, plan] = planned;
  // An ended job of that name makes room; what it left set goes back first.
  if (const auto old = store.find(request.job_id);
      old && is_over(old->state) && old->record.boot_id == boot_id())
    if (const auto left = store.open_folder(request.job_id)) clear_away(host, *left);
  Record record = first_record(found, request);
  TRY(JobFolder folder, store.claim(record));
  const auto give_up = [&](Error error, const std::vector<Step>& steps) {
    const RestoreReport report = restore(host, steps, false);
    // What could not be put back stays known, with its journal: detach may do better.
    if (report.left.empty()) (void)store.forget(request.job_id);
    return std::unexpected(with_left(std::move(error), report));
  };
  auto journal = Journal::open(folder.dir());
  if (!journal) return give_up(journal.error(), {});
  auto applied = apply(host, found, plan, request.change, request.job_id, *journal);
  if (!applied) return give_up(applied.error(), journal->steps());
  if (auto some = check_something(plan.limits, applied->receipt.rows); !some)
    return give_up(some.error(), journal->steps());
  record.receipt = std::move(applied->receipt);
  note_place(host, found, plan, record.receipt);
  show_leaf(applied->standing.leaf, record);
  if (auto written = folder.write_record(record); !written) return give_up(written.error(), journal->steps());
  return adopted(std::move(record), std::move(folder), std::move(applied->standing.leaf),
                 std::move(found.process), std::move(applied->scope_hold));
}

Result<AdoptedJob> readopt(const Host& host, const JobStore& store, const std::string& job_id) {
  TRY(StoredJob job, living(store, job_id));
  if (job.state != JobState::unobserved)
    return bad_input("somebody waits for this job already:", job_id,
                     "process " + std::to_string(job.record.observer ? job.record.observer->pid : 0));
  TRY(JobFolder folder, store.open_folder(job_id));
  TRY(const Fd lock, folder.lock());
  TRY(ProcessRef process, ProcessRef::open(*job.record.workload));
  if (const auto self = ProcessRef::open(::getpid())) job.record.observer = self->identity();
  TRY_OK(folder.write_record(job.record));
  Leaf leaf = leaf_of(host, job.record);
  return adopted(std::move(job.record), std::move(folder), std::move(leaf), std::move(process), Fd());
}

Result<RestoreReport> release(const Host& host, const JobStore& store, const std::string& job_id,
                              bool force) {
  TRY(const StoredJob job, store.find(job_id));
  if (job.record.mode != "attach")
    return bad_input("job " + job_id + " was started by ffrtmp run:", "there is nothing to put it back to",
                     "ffrtmp stop ends it, ffrtmp set changes its limits");
  TRY(const JobFolder folder, store.open_folder(job_id));
  TRY(const Fd lock, folder.lock());
  TRY(Journal journal, Journal::open(folder.dir()));
  if (job.record.boot_id != boot_id())
    return bad_input("the host was started anew since; nothing is left of job", job_id);
  if (!force)
    if (const auto changed = conflicts(host, journal.steps()); !changed.empty()) {
      std::vector<std::string> said;
      for (const auto& each : changed)
        said.push_back(each.what + " is " + each.now + " (ffrtmp had set " + each.ours + ", before it was " +
                       each.before + ")");
      return bad_input("others have changed job " + job_id + " meanwhile:", joined(said),
                       "--force puts back what was before");
    }
  wake_job(host, job);
  const RestoreReport report = restore(host, journal.steps(), force);
  if (!is_over(job.state)) {
    Ending ending;
    ending.ended_at = wall_now();
    ending.duration = Duration(std::max<int64_t>(0, ending.ended_at.ns - job.record.started_at.ns));
    ending.released =
        report.left.empty() ? "everything is as it was before" : "not put back: " + joined(report.left);
    TRY_OK(folder.write_result(make_result(job.record, ending, judge(job.record, ending))));
  }
  TRY_OK(journal.cut(0));
  return report;
}

Result<Record> change_job(const Host& host, const JobStore& store, const std::string& job_id,
                          const ChangeRequest& request, const PlanRequest& wish) {
  TRY(const StoredJob job, living(store, job_id));
  TRY(const JobFolder folder, store.open_folder(job_id));
  TRY(const Fd lock, folder.lock());
  TRY(Record record, folder.read_record());
  TRY(Journal journal, Journal::open(folder.dir()));
  const size_t before = journal.steps().size();
  const auto give_up = [&](Error error) {
    const RestoreReport report = restore(host, journal.steps(), false, before);
    if (report.left.empty()) (void)journal.cut(before);
    return std::unexpected(with_left(std::move(error), report));
  };
  const Standing standing = standing_of(host, record);
  const auto controllers = controllers_of(request.limits);
  std::vector<ReceiptRow> rows;
  if (record.mode == "attach" && standing.way == Way::stay && !controllers.empty()) {
    // It was left where it stood, for want of a limit that takes a cgroup. Now there is one.
    TRY(const Survey found, survey(host, record.workload->pid, controllers));
    if (found.process.identity() != *record.workload) return bad_input("the job has ended:", job_id);
    TRY(const Plan plan, make_plan(host, found, wish));
    auto applied = apply(host, found, plan, request, job_id, journal);
    if (!applied) return give_up(applied.error());
    rows = applied->receipt.rows;
    record.receipt.placement = applied->receipt.placement;
    record.receipt.unit = applied->receipt.unit;
    note_place(host, found, plan, record.receipt);
    show_leaf(applied->standing.leaf, record);
  } else {
    auto changed = change_limits(host, *record.workload, job_id, standing, request, journal);
    if (!changed) return give_up(changed.error());
    rows = std::move(*changed);
  }
  if (auto some = check_something(request.limits, rows); !some) return give_up(some.error());
  merge_rows(record.receipt, rows);
  if (auto written = folder.write_record(record); !written) return give_up(written.error());
  // A job of `run` has no earlier state to go back to.
  if (record.mode != "attach") (void)journal.cut(before);
  return record;
}

Status change_again(const Host& host, const JobStore& store, const Receipt& first, Record& record) {
  ChangeRequest request;
  for (const auto& row : record.receipt.rows) {
    const auto kind = limit_kind(row.name);
    const bool as_before = std::ranges::any_of(
        first.rows, [&](const ReceiptRow& old) { return old.name == row.name && old.asked == row.asked; });
    if (!kind || as_before || row.mechanism.starts_with("cgroup")) continue;
    TRY(LimitValue value, parse_limit(*kind, row.asked.text));
    request.limits.push_back({*kind, std::move(value), row.origin});
  }
  if (request.limits.empty()) return {};
  TRY(Record changed, change_job(host, store, record.job_id, request, {}));
  record.receipt = std::move(changed.receipt);
  return {};
}

namespace {

Status set_frozen(const Host& host, const Record& record, bool frozen) {
  const Standing standing = standing_of(host, record);
  switch (standing.way) {
    case Way::unit: return freeze_unit(standing.manager, standing.unit, frozen);
    case Way::leaf:
    case Way::cgroup: {
      auto done = freeze(standing.leaf, frozen);
      if (!done && done.error().errnum == ENOENT)
        return bad_input("pausing takes a cgroup with a freezer; job " + record.job_id + " has none", "");
      return done;
    }
    case Way::stay: break;
  }
  return bad_input("pausing takes a cgroup of the job's own; job " + record.job_id + " has none", "",
                   record.mode == "attach" ? "give it a limit that takes one (ffrtmp set)" : "");
}

}  // namespace

Status pause_job(const Host& host, const JobStore& store, const std::string& job_id, bool paused) {
  TRY(const StoredJob job, living(store, job_id));
  TRY(const JobFolder folder, store.open_folder(job_id));
  TRY(const Fd lock, folder.lock());
  if (paused) {
    // Said before it is done: detach and stop wake what they find paused, done or not.
    const Json said = {{"at", rfc3339(wall_now())}, {"by_uid", ::getuid()}};
    TRY_OK(write_atomic(folder.dir(), kPausedFile, dump_json(said) + "\n"));
  }
  auto done = set_frozen(host, job.record, paused);
  if (!done && paused && set_frozen(host, job.record, false)) (void)::unlinkat(folder.dir(), kPausedFile, 0);
  if (!done && paused && done.error().errnum == 0) (void)::unlinkat(folder.dir(), kPausedFile, 0);
  if (done && !paused) (void)::unlinkat(folder.dir(), kPausedFile, 0);
  return done;
}

void wake_job(const Host& host, const StoredJob& job) {
  if (!job.paused) return;
  (void)set_frozen(host, job.record, false);
  (void)::unlink((job.folder + "/" + kPausedFile).c_str());
}

void clear_away(const Host& host, const JobFolder& folder) {
  auto journal = Journal::open(folder.dir());
  if (!journal || journal->steps().empty()) return;
  if (conflicts(host, journal->steps()).empty()) (void)restore(host, journal->steps(), false);
  (void)journal->cut(0);
}

}  // namespace ffrtmp
