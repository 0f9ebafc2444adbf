// The life of an attempt. Each step is on disk before what follows from it is done, and whatever is done may
// be done once more: advance() is all that an agent needs to call for what an earlier one left.
#include <fcntl.h>
#include <sys/wait.h>
#include <unistd.h>

#include <filesystem>

#include "agent/agent.h"
#include "agent/fault.h"
#include "agent/fetch.h"
#include "agent/log.h"
#include "proc/process_ref.h"
#include "sys/file.h"
#include "sys/text.h"

namespace ffrtmp::agent {

namespace {

Fields fields_of(const Attempt& attempt, Fields more = {}) {
  Fields out = {{"job", attempt.job}, {"attempt", std::to_string(attempt.number)}};
  out.insert(out.end(), more.begin(), more.end());
  return out;
}

}  // namespace

Agent::JobPtr Agent::find(const std::string& job, int64_t number) const {
  const auto found = jobs_.find(job + "." + std::to_string(number));
  return found == jobs_.end() ? nullptr : found->second;
}

/// False: the disk did not take it. It is tried again; nothing is done that the step would have to precede.
bool Agent::move_to(const JobPtr& job, Step step) {
  const Step before = job->attempt.step;
  job->attempt.step = step;
  if (const auto saved = state_->save(job->attempt); !saved) {
    job->attempt.step = before;
    log(Level::error, "a step was not saved", fields_of(job->attempt, {{"error", saved.error().message()}}));
    loop_->after(std::chrono::seconds(10), [this, job, step] {
      if (jobs_.contains(job->attempt.key()) && job->attempt.step < step && move_to(job, step)) advance(job);
    });
    return false;
  }
  fault_point(std::string(step_name(step)).c_str());
  return true;
}

void Agent::advance(const JobPtr& job) {
  Attempt& attempt = job->attempt;
  if (attempt.step == Step::granted) return accept();
  if (attempt.step == Step::running) {
    watch_run(job);
    return apply_wish(job);
  }
  if (attempt.step == Step::ended) return deliver_soon();
  // Not launched yet: what it is to become may have changed.
  if (attempt.wish == Wish::drop || attempt.wish == Wish::cancel) {
    if (job->stop_fetch) {
      *job->stop_fetch = true;  // its thread comes back here
      return;
    }
    if (attempt.step == Step::launching) return;  // what it comes to is heard in on_launched()
    if (attempt.wish == Wish::drop) return forget(job);
    return finish(job, judge_vanished(attempt, false));
  }
  if (attempt.step == Step::launching || job->stop_fetch) return;
  const auto type = find_job_type(text_or(attempt.spec, "type"));
  if (!type) return finish(job, judge_refusal(attempt, {"capability", type.error().message()}));
  auto prepared = prepare(attempt, *type, options_, job->folder);
  if (!prepared) return finish(job, judge_refusal(attempt, prepared.error()));
  for (const char* name : {kInFolder, kOutFolder, kPutFolder})
    if (const auto made = make_dirs(job->folder + "/" + name, 0700); !made)
      return finish(job, judge_refusal(attempt, {"node", made.error().message()}));
  for (const Json& output : prepared->request["outputs"]) {
    const std::string path = output.get<std::string>();
    if (path.starts_with(job->folder + "/")) (void)make_dirs(path.substr(0, path.rfind('/')), 0700);
  }
  if (attempt.step == Step::accepted && !prepared->fetches.empty()) return fetch(job, std::move(*prepared));
  if (attempt.step == Step::accepted && !move_to(job, Step::ready)) return;
  if (attempt.wish != Wish::pause) launch(job);
}

void Agent::fetch(const JobPtr& job, Prepared prepared) {
  job->stop_fetch = std::make_shared<std::atomic<bool>>(false);
  log(Level::info, "fetching its inputs",
      fields_of(job->attempt, {{"files", std::to_string(prepared.fetches.size())}}));
  auto stop = job->stop_fetch;
  // A thread for as long as it takes: there are at most as many as slots.
  std::thread([this, job, stop, files = std::move(prepared.fetches), id = job->attempt.job,
               masters = masters_, inward = options_.allow_inward] {
    auto refusal = fetch_all(files, id, masters, inward, *stop);
    loop_->post([this, job, refusal = std::move(refusal)] {
      const bool stopped = *job->stop_fetch;
      job->stop_fetch.reset();
      if (!jobs_.contains(job->attempt.key())) return;
      if (stopped) return advance(job);
      if (refusal) return finish(job, judge_refusal(job->attempt, *refusal));
      if (move_to(job, Step::ready)) advance(job);
    });
  }).detach();
}

void Agent::launch(const JobPtr& job) {
  Attempt& attempt = job->attempt;
  const auto type = find_job_type(text_or(attempt.spec, "type"));
  auto prepared = type ? prepare(attempt, *type, options_, job->folder)
                       : Or<Prepared>(std::unexpected(Refusal{"capability", type.error().message()}));
  if (!prepared) return finish(job, judge_refusal(attempt, prepared.error()));
  if (const auto written = write_request(job->folder, prepared->request); !written)
    return finish(job, judge_refusal(attempt, {"node", written.error().message()}));
  attempt.boot_id = boot_id();
  if (!move_to(job, Step::launching)) return;
  auto child = start_wrapper(wrapper_, job->folder, prepared->arguments);
  if (!child) return finish(job, judge_refusal(attempt, {"node", child.error().message()}));
  job->launcher = true;
  fault_point("launching-started");
  const auto waits = loop_->on_exit(std::move(*child), [this, job](int status) { on_launched(job, status); });
  if (!waits) loop_->after(std::chrono::seconds(1), [this, job] { resume_launch(job); });
}

void Agent::on_launched(const JobPtr& job, int wait_status) {
  job->launcher = false;
  const int code = WIFEXITED(wait_status) ? WEXITSTATUS(wait_status) : 128 + WTERMSIG(wait_status);
  const Sight sight = look(host_, job->attempt, job->folder);
  if (code == 0 || sight.kind != Sight::Kind::nothing) {
    fault_point("launched-before");
    counters_.launched++;
    log(Level::info, "launched", fields_of(job->attempt, {{"run", job->attempt.run_id}}));
    shrink_when_quiet();
    if (move_to(job, Step::running)) advance(job);
    return;
  }
  // Killed while it was at it: its recorder may be on its way all the same.
  if (WIFSIGNALED(wait_status)) return resume_launch(job);
  finish(job, judge_refused_launch(job->attempt, code, wrapper_complaint(job->folder)));
}

/// Waits for whoever can tell of its end: the recorder, else the workload itself.
void Agent::watch_run(const JobPtr& job) {
  if (job->watched) return;
  for (int round = 0; round < 3; round++) {
    Sight sight = look(host_, job->attempt, job->folder);
    job->stored = std::move(sight.job);
    if (sight.kind == Sight::Kind::ended) return finish(job, judge_result(job->attempt, sight.result));
    if (sight.kind == Sight::Kind::nothing)
      return finish(job, judge_vanished(job->attempt, job->attempt.boot_id != boot_id()));
    auto process = sight.wait_for ? ProcessRef::open(*sight.wait_for) : sys_error("", "", ESRCH);
    if (!process) continue;  // it has just ended: what it left is there now
    job->watched = Fd(::fcntl(process->pidfd(), F_DUPFD_CLOEXEC, 3));
    const int fd = job->watched.get();
    const auto waits = fd < 0 ? Status(sys_error("", "")) : loop_->watch(fd, [this, job, fd] {
      loop_->forget(fd);
      job->watched.reset();
      watch_run(job);
    });
    if (waits) return;
    job->watched.reset();
  }
  loop_->after(std::chrono::seconds(1), [this, job] {
    if (jobs_.contains(job->attempt.key()) && job->attempt.step == Step::running) watch_run(job);
  });
}

void Agent::run_helper(const JobPtr& job, const std::vector<std::string>& arguments) {
  auto child = start_verb(wrapper_, arguments);
  if (!child) {
    log(Level::error, "ffrtmp cannot be run", fields_of(job->attempt, {{"error", child.error().message()}}));
    return;
  }
  job->helper = true;
  const auto waits = loop_->on_exit(std::move(*child), [this, job](int) {
    job->helper = false;
    if (job->attempt.step != Step::running || !jobs_.contains(job->attempt.key())) return;
    if (auto sight = look(host_, job->attempt, job->folder); sight.job) job->stored = std::move(sight.job);
    apply_wish(job);
    job->stop_asked = false;  // one that would not end is told again with the next heartbeat
  });
  if (!waits) job->helper = false;
}

/// Brings the workload to what the master wants of it; called again with every beat.
void Agent::apply_wish(const JobPtr& job) {
  Attempt& attempt = job->attempt;
  if (attempt.step == Step::ended) {
    if (attempt.wish == Wish::drop) return forget(job);
    if (attempt.wish == Wish::cancel) call_off_delivery(job);
    return;
  }
  if (attempt.step != Step::running) return advance(job);
  if (job->helper) return;
  const bool paused = job->stored && job->stored->paused;
  const bool stands = attempt.wish == Wish::run && job->stands_aside;
  switch (stands ? Wish::pause : attempt.wish) {
    case Wish::cancel:
    case Wish::drop:
      if (!job->stop_asked) {
        job->stop_asked = true;
        run_helper(job, {"stop", attempt.run_id});
      }
      return;
    case Wish::pause:
      if (!paused) run_helper(job, {"pause", attempt.run_id});
      return;
    case Wish::run:
      if (paused) return run_helper(job, {"resume", attempt.run_id});
      return apply_share(job);
  }
}

/// What runs with another queue's share gets its own; tried once, for a host may have no shares to give.
void Agent::apply_share(const JobPtr& job) {
  const Attempt& attempt = job->attempt;
  if (!job->stored || job->share_of == attempt.queue) return;
  job->share_of = attempt.queue;
  auto flags = share_flags(attempt);
  if (flags.empty() || has_share(job->stored->record.receipt, attempt)) return;
  flags.insert(flags.begin(), {"set", attempt.run_id, "--quiet"});
  run_helper(job, flags);
}

void Agent::finish(const JobPtr& job, const Outcome& outcome) {
  Attempt& attempt = job->attempt;
  if (attempt.step == Step::ended) return;
  if (attempt.wish == Wish::drop) {
    counters_.dropped++;
    return forget(job);
  }
  fault_point("ended-before");
  const Step before = attempt.step;
  attempt.step = Step::ended;
  // A node that was cut off for a month: that it succeeded counts for more than how.
  const bool short_of_room = state_->outbox_bytes() > options_.outbox_bytes;
  const auto items = outbox_items(attempt, outcome, job->folder, short_of_room);
  if (const auto saved = state_->end(attempt, items); !saved) {
    // The recorder's files stay where they are; nothing is lost by looking at them again later.
    attempt.step = before;
    log(Level::error, "a result was not saved", fields_of(attempt, {{"error", saved.error().message()}}));
    loop_->after(std::chrono::seconds(10), [this, job, outcome] {
      if (jobs_.contains(job->attempt.key())) finish(job, outcome);
    });
    return;
  }
  fault_point("ended");
  (outcome.outcome == "succeeded" ? counters_.succeeded
   : outcome.outcome == "failed"  ? counters_.failed
                                  : counters_.cancelled)++;
  log(outcome.outcome == "failed" ? Level::warning : Level::info, outcome.outcome,
      fields_of(attempt, outcome.reason.empty()
                             ? Fields{}
                             : Fields{{"class", outcome.failure_class}, {"reason", outcome.reason}}));
  job->stored.reset();
  job->progress = Json::object();
  outbox_ = state_->outbox();
  shrink_when_quiet();
  deliver_soon();
  poll();  // its slot is free
}

/// Nothing of it is left to tell: its row goes first, for a folder without a row is cleared away by the next
/// agent.
void Agent::forget(const JobPtr& job) {
  for (const auto& stop : {job->stop_fetch, job->stop_put})
    if (stop) *stop = true;
  if (job->watched) {
    loop_->forget(job->watched.get());
    job->watched.reset();
  }
  if (const auto removed = state_->remove(job->attempt); !removed) {
    log(Level::error, "an attempt was not cleared away",
        fields_of(job->attempt, {{"error", removed.error().message()}}));
    loop_->after(std::chrono::seconds(10), [this, job] { forget(job); });
    return;
  }
  fault_point("removed");
  jobs_.erase(job->attempt.key());
  std::erase_if(outbox_, [&](const OutboxItem& item) {
    if (!item.is_of(job->attempt)) return false;
    puts_.erase(item.id);
    return true;
  });
  // The description first: without it the folder is nobody's.
  ::unlink((job->folder + "/" + kAttemptName).c_str());
  std::error_code ignored;
  std::filesystem::remove_all(job->folder, ignored);
  forget_run(job->attempt.run_id);
  tell_manager();
  maybe_leave();
  poll();
}

}  // namespace ffrtmp::agent
