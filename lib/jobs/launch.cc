#include "jobs/launch.h"

#include <fcntl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cstring>

#include "cgroup/kernel_files.h"
#include "jobs/media.h"
#include "proc/procfs.h"
#include "sys/file.h"
#include "sys/text.h"

namespace ffrtmp {

namespace {

/// The parts of one try to start a job in one place.
struct Attempt {
  std::optional<Base> base;
  Leaf leaf;
  SpawnPlan plan;
  Governed governed;
  std::vector<Fd> held;  ///< descriptors that the plan names by number
};

bool place_vanished(const Error& error) {
  return error.errnum == ENOENT || error.errnum == ENODEV || error.errnum == EOPNOTSUPP;
}

/// systemd's name of the unit that this process runs in, if stopping that unit would end a child of ours.
std::string own_unit(const Host& host) {
  if (!host.systemd || host.hierarchies.empty()) return "";
  const Hierarchy* h = host.unified();
  const std::string& path = h ? h->self : host.hierarchies.front().self;
  for (const auto part : split(path, '/'))
    if (part.ends_with(".service") && !part.starts_with("user@")) return std::string(part);
  return "";
}

bool lingers(uid_t uid) {
  // loginctl keeps a file with the user's name; the name of a UID costs a look into /etc/passwd.
  const auto passwd = read_file("/etc/passwd");
  if (!passwd) return true;
  for (const auto line : lines(*passwd)) {
    const auto field = split(line, ':');
    if (field.size() > 2 && parse_u64(field[2]) == uid)
      return ::access(("/var/lib/systemd/linger/" + std::string(field[0])).c_str(), F_OK) == 0;
  }
  return true;  // a user from elsewhere (LDAP): we cannot tell, so we do not warn
}

void add_place_notes(const RunRequest& request, const Host& host, const Attempt& attempt, Receipt& receipt) {
  const PlacementKind kind = attempt.base ? attempt.base->kind : PlacementKind::none;
  if (kind == PlacementKind::systemd_user && !lingers(host.uid))
    receipt.notes.push_back(
        "linger is off for this user: the job ends with your last login (loginctl enable-linger)");
  const std::string unit = kind == PlacementKind::none          ? own_unit(host)
                           : kind == PlacementKind::own_subtree ? attempt.base->unit
                                                                : "";
  if (!unit.empty() && (request.mode == RunRequest::Mode::detached || kind == PlacementKind::own_subtree)) {
    receipt.unit = unit;
    receipt.notes.push_back("the job lives in " + unit +
                            ": stopping that unit ends it (unless its KillMode=process)");
  }
}

/// Opens `path` for appending by the workload; parents must exist.
Result<Fd> open_log(int dir, const std::string& path) {
  auto fd = open_at(dir, path, O_WRONLY | O_CREAT | O_APPEND | O_NOCTTY, 0600);
  if (!fd) return sys_error("opening the log", path, fd.error().errnum);
  return fd;
}

/// Connects the workload's standard streams as the request says. Returns our own descriptor of the log, if we
/// hold one.
Result<Fd> connect_streams(const RunRequest& request, const std::optional<JobFolder>& folder,
                           Attempt& attempt, Record& record) {
  SpawnPlan& plan = attempt.plan;
  if (request.mode == RunRequest::Mode::detached) {
    TRY(Fd null_in, open_at(AT_FDCWD, "/dev/null", O_RDONLY));
    plan.in = null_in.get();
    attempt.held.push_back(std::move(null_in));
  }
  Fd out, ours;
  switch (request.log.kind) {
    case LogTarget::Kind::inherit: return Fd();
    case LogTarget::Kind::null: {
      TRY(out, open_at(AT_FDCWD, "/dev/null", O_WRONLY));
      break;
    }
    case LogTarget::Kind::journal: {
      TRY(out, open_journal_stream("ffrtmp-" + record.job_id));
      break;
    }
    case LogTarget::Kind::job_folder:
      if (!folder) {
        TRY(out, open_at(AT_FDCWD, "/dev/null", O_WRONLY));
        record.receipt.notes.push_back(
            "no folder for a log: what the workload prints is lost (--log FILE keeps it)");
        break;
      }
      record.log_path = folder->path() + "/" + kLogFile;
      { TRY(out, open_log(folder->dir(), kLogFile)); }
      break;
    case LogTarget::Kind::file: {
      record.log_path = request.log.path;
      TRY(out, open_log(AT_FDCWD, request.log.path));
      break;
    }
  }
  if (!record.log_path.empty()) ours = Fd(::fcntl(out.get(), F_DUPFD_CLOEXEC, 3));
  plan.out = plan.err = out.get();
  attempt.held.push_back(std::move(out));
  return ours;
}

/// Gives a declared job's workload its plan, and the folder for its progress and report.
Status hand_over(const DeclaredJob& declared, const std::optional<JobFolder>& folder, Attempt& attempt,
                 Record& record) {
  // Without close-on-exec: its number is what the workload is told. The other end of nothing: a plain file in
  // memory.
  Fd plan(::memfd_create("ffrtmp-plan", 0));
  if (!plan) return sys_error("making a file in memory", "");
  TRY_OK(write_all(plan.get(), declared.plan));
  attempt.plan.environment.push_back("FFRTMP_PLAN_FD=" + std::to_string(plan.get()));
  attempt.held.push_back(std::move(plan));
  if (folder) {
    attempt.plan.environment.push_back("FFRTMP_JOB_FOLDER=" + folder->path());
    record.progress_path = folder->path() + "/" + kProgressFile;
  }
  return {};
}

/// Opens the ways into the leaf: born in it on v2, its `tasks` on v1.
Status plan_entry(Attempt& attempt) {
  for (const auto& dir : attempt.leaf.dirs) {
    if (dir.hierarchy.dialect == Dialect::v2) {
      attempt.plan.cgroup = dir.fd.get();
      TRY(Fd procs, open_at(dir.fd.get(), kCgroupProcs, O_WRONLY));
      attempt.plan.cgroup_procs = procs.get();
      attempt.held.push_back(std::move(procs));
    } else {
      TRY(Fd tasks, open_at(dir.fd.get(), kV1Tasks, O_WRONLY));
      attempt.plan.v1_tasks.push_back(tasks.get());
      attempt.held.push_back(std::move(tasks));
    }
  }
  return {};
}

/// Whether the kernel agrees that the workload is in every folder of its leaf.
Status verify_entry(const Leaf& leaf, const ProcessRef& workload) {
  const auto text = read_file("/proc/" + std::to_string(workload.pid()) + "/cgroup");
  if (!text || !workload.alive())
    return {};  // it has ended already: a zombie is shown at the root of v1 hierarchies
  for (const auto& line : parse_proc_cgroup(*text))
    for (const auto& dir : leaf.dirs) {
      const bool same = dir.hierarchy.dialect == Dialect::v2 ? line.controllers.empty()
                                                             : line.controllers == dir.hierarchy.names;
      // A workload may make cgroups of its own below the leaf and go there at once.
      if (same && line.path != dir.path && !line.path.starts_with(dir.path + "/"))
        return bad_input("the workload is not in its cgroup", dir.path, "it is in " + line.path);
    }
  return {};
}

Record first_record(const RunRequest& request) {
  Record record;
  record.job_id = request.job_id;
  record.command = request.argv;
  char here[4096];
  record.workdir = request.workdir ? *request.workdir : ::getcwd(here, sizeof here) ? here : "";
  record.started_at = wall_now();
  record.boot_id = boot_id();
  record.detached = request.mode == RunRequest::Mode::detached;
  record.keep = request.keep;
  if (request.job) {
    record.job_type = request.job->type;
    record.media_s = request.job->media_s;
    record.restarts_itself = request.job->restart.when != RestartRule::When::no;
  }
  if (request.timeout) record.timeout_s = seconds_of(*request.timeout);
  // Who waits for it: us. With --exec nobody will, but until then the claim needs a living holder too.
  if (const auto self = ProcessRef::open(::getpid())) record.observer = self->identity();
  return record;
}

std::string unmet_text(const std::vector<const ReceiptRow*>& rows) {
  std::string out;
  for (const auto* row : rows)
    out +=
        (out.empty() ? "" : "; ") + row->name + " (" + (row->why.empty() ? "not enforced" : row->why) + ")";
  return out;
}

struct ExecHook {
  Record* record;
  const Governed* governed;
  const std::array<SettingOutcome, kSettingCount>* settings = nullptr;
  const std::optional<JobFolder>* folder;
  void (*about_to_exec)(const Record&, void*);
  void* context;
};

/// One try. Errors with `place_vanished` or the step of entering leave room for another place.
Result<Launched> try_in(const RunRequest& request, const Host& host, const JobStore* store, Attempt& attempt,
                        std::vector<std::string> notes, const std::string& program,
                        void (*about_to_exec)(const Record&, void*), void* context) {
  Launched job;
  job.record = first_record(request);
  Receipt& receipt = job.record.receipt;
  receipt.notes = std::move(notes);
  SpawnPlan& plan = attempt.plan;
  const bool becoming = request.mode == RunRequest::Mode::exec;
  plan.program = program;
  plan.argv = request.argv;
  plan.environment = request.environment;
  plan.workdir = request.workdir;
  plan.own_session = request.mode == RunRequest::Mode::detached;
  plan.own_group = request.mode == RunRequest::Mode::foreground;

  if (attempt.base) {
    TRY(attempt.leaf, make_leaf(*attempt.base, request.job_id));
  }
  const auto undo = [&](auto&& error) {
    (void)attempt.leaf.remove();
    if (job.folder && store) (void)store->forget(request.job_id);
    return std::forward<decltype(error)>(error);
  };
  if (attempt.base && needs_adoption(host, *attempt.base)) {
    // From where we stand, nothing can be born in the user manager's subtree: we go there first, beside the
    // jobs. (With --exec it is this process that becomes the job, so it goes into the job's own leaf.)
    auto place = becoming ? Result<Leaf>(Leaf{}) : shared_leaf(*attempt.base, kRecordersLeaf);
    const auto stood = !place ? Status(std::unexpected(place.error()))
                              : stand_in(host, *attempt.base, becoming ? attempt.leaf : *place);
    if (!stood)
      return undo(std::unexpected(
          Error{kEnteringCgroup, stood.error().message(), stood.error().errnum, "", ExitCode::ours}));
  }
  if (auto entry = plan_entry(attempt); !entry) return undo(std::unexpected(entry.error()));

  attempt.governed = apply_limits(attempt.base ? &*attempt.base : nullptr,
                                  attempt.leaf.dirs.empty() ? nullptr : &attempt.leaf, request.limits, plan);
  const bool quota =
      std::ranges::find(request.limits, LimitKind::cpu_max, &Limit::kind) != request.limits.end();
  if (request.thread_fit && quota) {
    const unsigned start = store ? store->next_number() : static_cast<unsigned>(::getpid());
    fit_threads(attempt.governed, request.limits, start, plan);
  }
  if (const auto missing = unmet(attempt.governed, request.required, plan); !missing.empty())
    return undo(bad_input("--require cannot be met:", unmet_text(missing)));

  receipt.placement = placement_name(attempt.base ? attempt.base->kind : PlacementKind::none);
  if (attempt.base) receipt.unit = attempt.base->unit;
  job.record.cgroups = places_of(attempt.leaf);
  // The folder to name in one word: where memory is accounted, else the first.
  if (const auto* memory = attempt.leaf.of(Controller::memory))
    receipt.cgroup = memory->path;
  else if (!attempt.leaf.dirs.empty())
    receipt.cgroup = attempt.leaf.dirs.front().path;
  job.record.leaf_name = attempt.leaf.name;
  add_place_notes(request, host, attempt, receipt);

  if (store) {
    auto folder = store->claim(job.record);
    if (!folder) return undo(std::unexpected(folder.error()));
    job.folder = std::move(*folder);
  }
  auto log = connect_streams(request, job.folder, attempt, job.record);
  if (!log) return undo(std::unexpected(log.error()));
  job.log = std::move(*log);
  if (request.progress && job.folder) {
    job.record.progress_path = job.folder->path() + "/" + kProgressFile;
    plan.argv = with_progress(plan.argv, job.record.progress_path);
  }
  if (request.job) {
    if (auto handed = hand_over(*request.job, job.folder, attempt, job.record); !handed)
      return undo(std::unexpected(handed.error()));
  }
  if (plan.own_group) {
    job.terminal = Terminal::open();
    if (job.terminal.ours()) plan.terminal = job.terminal.fd();
    plan.ignore_hangup = static_cast<bool>(job.terminal);
  }
  const bool in_scope = attempt.base && (attempt.base->kind == PlacementKind::systemd_system ||
                                         attempt.base->kind == PlacementKind::systemd_user);
  if (in_scope && request.mode == RunRequest::Mode::foreground) {
    // systemd takes a scope down, cgroups and all, the moment its last process has died: before anybody could
    // ask the leaf what the job used and why it ended. (A recorder stands in the scope itself.)
    const auto beside = shared_leaf(*attempt.base, kRecordersLeaf);
    const CgroupDir* v2 = beside ? beside->unified() : nullptr;
    if (auto hold = v2 ? hold_cgroup(v2->fd.get()) : sys_error("", "", ENOENT))
      job.scope_hold = std::move(*hold);
  }
  job.oom.emplace(attempt.leaf);

  if (becoming) {
    job.record.workload = job.record.observer;  // this very process
    job.record.observer.reset();
    ExecHook hook{&job.record, &attempt.governed, nullptr, &job.folder, about_to_exec, context};
    const auto before = [](void* opaque) {
      auto& h = *static_cast<ExecHook*>(opaque);
      h.record->receipt.rows = finish_rows(*h.governed, *h.settings);
      if (*h.folder) (void)(*h.folder)->write_record(*h.record);
      if (h.about_to_exec) h.about_to_exec(*h.record, h.context);
    };
    const Error error = become(plan, &hook.settings, before, &hook);
    // We stand in the leaf that is to go: step aside, into a cgroup of ours.
    if (attempt.base)
      if (const auto aside = shared_leaf(*attempt.base, kRecordersLeaf))
        (void)stand_in(host, *attempt.base, *aside);
    return undo(std::unexpected(error));
  }

  job.started = monotonic_now();
  job.record.started_at = wall_now();
  auto spawned = spawn(plan);
  if (!spawned) return undo(std::unexpected(spawned.error()));
  job.workload = std::move(spawned->process);
  job.record.workload = job.workload->identity();
  receipt.rows = finish_rows(attempt.governed, spawned->settings);
  if (auto verified = verify_entry(attempt.leaf, *job.workload); !verified) {
    receipt.notes.push_back(verified.error().message());
    for (auto& row : receipt.rows)
      if (row.mechanism.starts_with("cgroup"))
        row.strength = Strength::none, row.why = "the workload left its cgroup";
  }
  if (job.folder)
    if (const auto written = job.folder->write_record(job.record); !written)
      receipt.notes.push_back(written.error().message());
  if (job.record.restarts_itself) {
    job.again = std::move(plan);
    job.first = receipt;
    job.held = std::move(attempt.held);
  }
  job.leaf = std::move(attempt.leaf);
  return job;
}

}  // namespace

Result<Launched> launch(const RunRequest& request, const Host& host, const JobStore* store,
                        std::optional<Base> first, void (*about_to_exec)(const Record&, void*),
                        void* context) {
  // Before anything is made: is there a command to start?
  TRY(const std::string program, find_program(request.argv[0], request.environment, request.workdir));
  TRY(const auto candidates, placement_candidates(host, request.placement));
  const bool by_name = request.placement.parent || request.placement.mode == PlacementMode::systemd ||
                       request.placement.mode == PlacementMode::cgroup;
  std::vector<std::string> notes;
  if (!store) notes.push_back("no state is kept: ps, status, wait, logs and stop will not know this job");
  std::optional<Error> last;
  constexpr int kRounds = 4;  // a scope goes with its last process, maybe just now: then it is made again
  for (int round = 0; round < kRounds; round++) {
    bool again = false;
    for (const PlacementKind kind : candidates) {
      Attempt attempt;
      if (first && first->kind == kind)
        attempt.base = std::exchange(first, std::nullopt);
      else {
        auto base = open_base(host, kind, request.placement);
        if (!base) {
          again |= place_vanished(base.error()) && kind != PlacementKind::parent;
          last = base.error();
          if (!again) notes.push_back(std::string(placement_name(kind)) + ": " + base.error().message());
          continue;
        }
        attempt.base = std::move(*base);
      }
      auto job = try_in(request, host, store, attempt, notes, program, about_to_exec, context);
      if (job) return job;
      last = job.error();
      const bool entering = last->step == kEnteringCgroup;
      const bool cgroup_step = entering || last->step.contains("cgroup");
      if (cgroup_step && place_vanished(*last)) {
        again = true;
        break;
      }
      if (!entering) return std::unexpected(*last);
      if (last->errnum == EACCES)
        last->hint = "moving a process needs write access to the cgroup above both its old and its new place";
      notes.push_back(std::string(placement_name(kind)) + ": " + last->message());
    }
    if (!again) break;
  }
  if (by_name && last) return std::unexpected(*last);
  if (const std::string why = why_no_place(host, request.placement); !why.empty() && !request.limits.empty())
    notes.push_back(why);
  Attempt attempt;
  return try_in(request, host, store, attempt, notes, program, about_to_exec, context);
}

Status relaunch(Launched& job) {
  TRY(Spawned spawned, spawn(*job.again));
  job.workload = std::move(spawned.process);
  job.record.workload = job.workload->identity();
  job.record.restarts++;
  job.record.stalled_since.reset();
  if (job.folder) (void)job.folder->rewrite_record(job.record);
  return {};
}

}  // namespace ffrtmp
