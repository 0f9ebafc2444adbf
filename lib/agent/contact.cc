// What the agent says to its master, results and files aside: joining, heartbeats, polls, accepting.
#include <fcntl.h>

#include <algorithm>

#include "agent/agent.h"
#include "agent/capabilities.h"
#include "agent/fault.h"
#include "agent/log.h"
#include "net/digest.h"
#include "proc/process_ref.h"
#include "sys/clock.h"
#include "sys/file.h"
#include "sys/text.h"

namespace ffrtmp::agent {

namespace {

constexpr double kBeatTimeout = 20;
constexpr const char* kHeard = "heard";  // when a master was heard last, while none is

std::string number_text(int64_t number) { return std::to_string(number); }

}  // namespace

/// A silence that began in the life of an earlier agent goes on. After a reboot nothing runs that it could
/// end.
void Agent::recall_silence() {
  last_heard_ = boot_time();
  const std::string heard = state_->value(kHeard);
  const auto parts = words(heard);
  const auto at = parts.size() == 2 && parts[0] == boot_id() ? parse_i64(parts[1]) : std::nullopt;
  silence_noted_ = at.has_value();
  if (at) last_heard_ = Duration(*at);
}

/// Takes note of whether the master is there; what is wrong is told once, not with every try.
void Agent::heard(const Reply& reply) {
  if (reply.worth_repeating()) {
    reached_ = false;
    // One that is busy has not given us up, and says when to come again.
    if (reply.trouble != Trouble::busy && reply.trouble != Trouble::failed) told_ = false;
    // Once a silence, so that it goes on being counted when the agent dies in it.
    if (!silence_noted_)
      silence_noted_ =
          state_->set_value(kHeard, boot_id() + " " + number_text(last_heard_.count())).has_value();
    if (reply.why != last_trouble_) log(Level::warning, "no word from a master", {{"error", reply.why}});
    last_trouble_ = reply.why;
  } else {
    last_heard_ = boot_time();
    if (silence_noted_) silence_noted_ = !state_->set_value(kHeard, "");
    if (!reached_ && !last_trouble_.empty()) {
      log(Level::info, "the master is there again", {{"master", masters_->current()}});
      // What waited for it need not wait out its pauses.
      deliver_soon();
    }
    reached_ = true;
    last_trouble_.clear();
  }
  tell_manager();
}

void Agent::register_node() {
  if (joining_ || probing_) return;
  joining_ = true;
  const Json body = {{"name", identity_.name},
                     {"boot_id", boot_id()},
                     {"version", FFRTMP_VERSION},
                     {"nonce", identity_.nonce},
                     {"capabilities", describe_node(options_, probed(options_.state_dir))}};
  beat_pool_->post([this, body, key = options_.api_key] {
    Link link(masters_);
    link.use_key(key);
    const Reply reply = link.ask("POST", "/nodes/register", body, {"id", "token"});
    loop_->post([this, reply] { on_registered(reply); });
  });
}

void Agent::on_registered(const Reply& reply) {
  joining_ = false;
  heard(reply);
  if (!reply.ok()) {
    // Nothing will change by trying again, and a person stands before it.
    if (!ever_joined_ && !reply.worth_repeating()) {
      fatal_ = Error{
          "joining the fleet: " + reply.why, "", 0,
          reply.trouble == Trouble::key ? "the API key is not one of this master's, or not a worker's" : "",
          ExitCode::ours};
      return loop_->stop();
    }
    if (!reply.worth_repeating())
      log(Level::error, "the master does not take this node", {{"error", reply.why}});
    loop_->after(join_backoff_.next(reply.retry_after), [this] { register_node(); });
    return;
  }
  identity_.id = text_or(reply.body, "id");
  identity_.token = text_or(reply.body, "token");
  if (const auto saved = save_identity(options_.state_dir, identity_); !saved) {
    log(Level::error, "the identity was not saved", {{"error", saved.error().message()}});
    loop_->after(join_backoff_.next(), [this] { register_node(); });
    return;
  }
  fault_point("registered");
  join_backoff_.reset();
  ever_joined_ = true;
  masters_->set_token(identity_.id, identity_.token);
  log(Level::info, "joined", {{"node", identity_.id}, {"name", identity_.name}});
  beat();  // after which it polls
  deliver_soon();
}

/// Our token is not taken: the master has forgotten this node, or an admin has revoked it.
void Agent::on_bad_key(const std::string& why) {
  if (joining_) return;
  if (options_.api_key.empty()) {
    if (last_trouble_ != why)
      log(Level::error, "the master does not take this node's token",
          {{"error", why}, {"hint", "give --api-key-file to join anew"}});
    last_trouble_ = why;
    return;
  }
  log(Level::warning, "the master does not know this node; joining anew", {{"error", why}});
  joining_ = true;
  loop_->after(join_backoff_.next(), [this] {
    joining_ = false;
    register_node();
  });
}

void Agent::tell_capabilities() {
  const Json body = {{"name", identity_.name},
                     {"boot_id", boot_id()},
                     {"version", FFRTMP_VERSION},
                     {"capabilities", describe_node(options_, probed(options_.state_dir))}};
  const std::string path = "/nodes/" + identity_.id;
  beat_pool_->post([this, body, path] {
    const Reply reply = beat_link_->ask("PUT", path, body, {"id"});
    loop_->post([this, reply] {
      heard(reply);
      if (reply.ok()) return;
      if (!reply.worth_repeating() && reply.trouble != Trouble::key)
        log(Level::warning, "the master does not take what this node can do", {{"error", reply.why}});
      if (reply.worth_repeating())
        loop_->after(std::max<Duration>(heartbeat_, std::chrono::seconds(5)) * 2,
                     [this] { tell_capabilities(); });
    });
  });
}

void Agent::beat_in(Duration pause) {
  loop_->cancel(beat_timer_);
  beat_timer_ = loop_->after(pause, [this] { beat(); });
}

Json Agent::beat_body() {
  Json list = Json::array();
  for (const auto& [key, job] : jobs_) {
    if (job->attempt.step == Step::granted) continue;
    Json one = {{"job", job->attempt.job}, {"attempt", job->attempt.number}};
    if (job->attempt.step == Step::running && job->stored) {
      job->progress = progress_of(host_, *job->stored);
      one["progress"] = job->progress;
      if (const int64_t mark = mark_of(job->progress); mark >= 0) one["mark"] = mark;
    } else if (job->attempt.step == Step::ended) {
      one["delivering"] = true;
      one["progress"] = delivery_of(*job);
    }
    list.push_back(std::move(one));
  }
  return {{"boot_id", boot_id()}, {"session", session_}, {"beat", ++beat_number_}, {"jobs", list}};
}

void Agent::beat() {
  loop_->cancel(beat_timer_);
  beat_timer_ = 0;
  if (beating_ || !identity_.registered()) return;
  beating_ = true;
  yield_to_live();
  probe_on_change();
  const std::string path = "/nodes/" + identity_.id + "/heartbeat";
  beat_pool_->post([this, path, body = beat_body()] {
    const Reply reply = beat_link_->ask("POST", path, body, {"heartbeat_ms", "commands"}, kBeatTimeout);
    loop_->post([this, reply] { on_beat(reply); });
  });
}

void Agent::on_beat(const Reply& reply) {
  beating_ = false;
  heard(reply);
  if (!reply.ok()) {
    counters_.failed_beats++;
    if (reply.trouble == Trouble::key) on_bad_key(reply.why);
    give_up_overdue();
    if (reply.trouble == Trouble::refused) {
      // 409: another agent speaks in this node's name, and came first. What runs goes on; nothing new is
      // taken.
      second_ = reply.status == 409;
      if (reply.why != last_refusal_)
        log(Level::error, "the master refuses the heartbeat", {{"error", reply.why}});
      last_refusal_ = reply.why;
      deliver_soon();  // results are judged by themselves
      return beat_in(heartbeat_);
    }
    return beat_in(std::min(beat_backoff_.next(reply.retry_after), heartbeat_ * 2));
  }
  counters_.beats++;
  beat_backoff_.reset();
  const bool back = !std::exchange(told_, true);
  second_ = false;
  last_refusal_.clear();
  heartbeat_ = std::chrono::milliseconds(
      std::clamp<uint64_t>(whole_or(reply.body, "heartbeat_ms", 5000), 100, 600'000));
  const bool drained = master_drains_, was_shut = shut();
  master_drains_ = at_or_null(reply.body, "drain") == Json(true);
  cordoned_ = at_or_null(reply.body, "cordoned") == Json(true);
  if (master_drains_ != drained)
    log(Level::info,
        master_drains_ ? "the master drains this node" : "the master gives this node work again");
  if (const Json& commands = at_or_null(reply.body, "commands"); commands.is_array())
    for (const Json& one : commands) {
      const std::string job = text_or(one, "job");
      const auto number = static_cast<int64_t>(whole_or(one, "attempt", 0));
      on_move(job, number, text_or(one, "queue"), text_or(one, "priority"));
      on_command(job, number, text_or(one, "action"), text_or(one, "reason"));
    }
  send_live_logs();
  beat_in(std::exchange(beat_again_, false) ? Duration() : heartbeat_);
  if (back) {
    poll_backoff_.reset();
    deliver_soon();
  }
  // There may be room on the disk again. Who was drained or is so no more asks for something else than
  // before.
  if (back || poll_timer_ == 0 || was_shut != shut()) poll();
}

/// Levels, told with every beat: what is already so is left alone.
void Agent::on_command(const std::string& id, int64_t number, const std::string& action,
                       const std::string& reason) {
  const JobPtr job = find(id, number);
  if (!job || job->attempt.step == Step::granted) return;
  const Wish wish = action == "pause"    ? Wish::pause
                    : action == "cancel" ? Wish::cancel
                    : action == "stop"   ? Wish::drop
                                         : Wish::run;
  Attempt& attempt = job->attempt;
  // Who was told to end does not go on, whatever a late answer says.
  const bool ending = attempt.wish == Wish::cancel || attempt.wish == Wish::drop;
  if (attempt.wish != wish && !(ending && wish != Wish::drop)) {
    log(Level::info, "the master says " + action,
        {{"job", id}, {"attempt", number_text(number)}, {"reason", reason}});
    attempt.wish = wish;
    attempt.wish_reason = reason.substr(0, 500);
    if (const auto saved = state_->save(attempt); !saved)
      log(Level::error, "the master's word was not saved", {{"job", id}, {"error", saved.error().message()}});
    fault_point("wish");
  }
  apply_wish(job);
}

/// A job that was put into another queue gets that one's share.
void Agent::on_move(const std::string& id, int64_t number, const std::string& queue,
                    const std::string& priority) {
  const JobPtr job = find(id, number);
  if (!job || queue.empty() || (job->attempt.queue == queue && job->attempt.priority == priority)) return;
  Attempt& attempt = job->attempt;
  attempt.queue = queue;
  attempt.priority = priority;
  log(Level::info, "moved", {{"job", id}, {"queue", queue}, {"priority", priority}});
  if (const auto saved = state_->save(attempt); !saved)
    log(Level::error, "the master's word was not saved", {{"job", id}, {"error", saved.error().message()}});
}

/// Jobs whose offline policy says that they stop when no master was heard for so long.
void Agent::give_up_overdue() {
  const double silent = seconds_of(boot_time() - last_heard_);
  const auto all = jobs_;
  for (const auto& [key, job] : all) {
    const Json& patience = at_or_null(at_or_null(job->attempt.spec, "offline"), "stop_locally_after_s");
    if (!patience.is_number() || patience.get<double>() <= 0 || silent < patience.get<double>()) continue;
    if (job->attempt.step == Step::ended || job->attempt.wish == Wish::cancel ||
        job->attempt.wish == Wish::drop)
      continue;
    on_command(job->attempt.job, job->attempt.number, "cancel",
               "no master was heard for as long as the job may wait");
  }
}

bool Agent::may_take_work() const {
  if (!identity_.registered() || draining_ || shut() || second_) return false;
  if (static_cast<int64_t>(jobs_.size()) >= slots_of(options_) + 64)
    return false;  // an outbox that nobody empties
  int64_t busy = 0;
  for (const auto& [key, job] : jobs_) busy += job->attempt.step != Step::ended;
  return busy < slots_of(options_) && free_disk(options_) > 0;
}

/// A node that takes no more has a poll parked all the same: over it the master calls.
bool Agent::may_listen() const {
  if (!identity_.registered() || draining_ || second_) return false;
  if (shut()) return true;
  return std::ranges::any_of(jobs_,
                             [](const auto& entry) { return entry.second->attempt.step != Step::ended; });
}

void Agent::poll() {
  loop_->cancel(poll_timer_);
  poll_timer_ = 0;
  const bool takes = may_take_work();
  if (polling_) {
    // A poll that asks for nothing stands in the way of one that does.
    if (takes && listening_ && reached_) {
      listening_ = false;
      withdraw_poll([] {});
    }
    return;
  }
  // The master first hears what we have: who was away for long would be offered its own jobs anew.
  if (!told_ || (!takes && !may_listen())) return;
  polling_ = true;
  listening_ = !takes;
  Promised promised;
  for (const auto& [key, job] : jobs_) {
    if (job->attempt.step == Step::ended) {
      promised.delivering++;
      continue;
    }
    const Json& needs = at_or_null(job->attempt.spec, "require");
    promised.jobs++;
    if (const Json& cores = at_or_null(needs, "cores"); cores.is_number())
      promised.cores += cores.get<double>();
    promised.memory_bytes += whole_or(needs, "memory_bytes", 0);
    promised.disk_bytes += whole_or(needs, "disk_bytes", 0);
    promised.encoder_sessions += whole_or(needs, "encoder_sessions", 0);
  }
  std::string nonce = state_->value("nonce");
  if (nonce.empty()) {
    nonce = net::random_hex(12);
    if (!state_->add({}, nonce)) nonce.clear();
  }
  Json free = free_now(options_, promised, encoder_sessions_);
  if (listening_) free["slots"] = 0;
  const double wait = seconds_of(options_.poll_wait);
  const Json body = {{"nonce", nonce.empty() ? net::random_hex(12) : nonce},
                     {"max_jobs", std::max<int64_t>(1, free["slots"].get<int64_t>())},
                     {"wait_s", wait},
                     {"session", session_},
                     {"free", free}};
  const std::string path = "/nodes/" + identity_.id + "/lease";
  poll_pool_->post([this, path, body, wait] {
    const Reply reply = poll_link_->ask("POST", path, body, {"grants"}, wait + 15);
    loop_->post([this, reply] { on_poll(reply); });
  });
}

void Agent::on_poll(const Reply& reply) {
  const bool listened = listening_;
  polling_ = listening_ = false;
  if (leaving_ || draining_) return;  // what came in this last moment is offered to somebody else
  heard(reply);
  const auto again = [this](Duration pause) { poll_timer_ = loop_->after(pause, [this] { poll(); }); };
  if (!reply.ok()) {
    counters_.failed_polls++;
    if (reply.trouble == Trouble::key) return on_bad_key(reply.why);
    const Duration pause = poll_backoff_.next(reply.retry_after);
    if (!told_ && !beating_) beat_in(std::min(pause, heartbeat_));  // without which nothing goes on
    return again(pause);
  }
  counters_.polls++;
  poll_backoff_.reset();
  master_closed_ = reply.body.contains("closed");
  take_grants(at_or_null(reply.body, "grants"));
  if (at_or_null(reply.body, "heartbeat_now") == Json(true)) {
    beat_again_ = beating_;  // the one that is on its way may have been answered before
    beat();
    if (shut()) return;  // what it asks for next is told by the answer
  }
  // Why it was turned away may have come with a heartbeat meanwhile: then it listens.
  if (master_closed_ && (listened || may_take_work())) return again(heartbeat_);
  poll();
}

/// On disk first; only then is the master told that they are ours.
void Agent::take_grants(const Json& grants) {
  if (!grants.is_array() || grants.empty()) return;
  std::vector<Attempt> fresh;
  for (const Json& one : grants) {
    Attempt attempt;
    attempt.job = text_or(one, "job");
    attempt.number = static_cast<int64_t>(whole_or(one, "attempt", 0));
    attempt.spec = at_or_null(one, "spec");
    attempt.queue = text_or(one, "queue", "default");
    attempt.priority = text_or(one, "priority", "medium");
    attempt.granted_at = wall_now().ns / 1'000'000;
    attempt.run_id = run_id_of(attempt.job, attempt.number);
    if (attempt.job.empty() || attempt.number < 1 || !attempt.spec.is_object()) {
      log(Level::warning, "a grant that makes no sense was left", {});
      continue;
    }
    // Given up for lost while its work goes on here (we were away for longer than the lease): that result
    // will be taken, and a second run beside the first would only cost. The offer runs out.
    const bool lives_here = std::ranges::any_of(jobs_, [&](const auto& entry) {
      return entry.second->attempt.job == attempt.job && entry.second->attempt.number != attempt.number;
    });
    if (lives_here)
      log(Level::info, "an attempt is left to an earlier one that still is here", {{"job", attempt.job}});
    else if (!jobs_.contains(attempt.key()))
      fresh.push_back(std::move(attempt));
  }
  counters_.granted += fresh.size();
  fault_point("granted-before");
  Status done;
  for (const auto& attempt : fresh) {
    const std::string folder = folder_of(attempt);
    if (done) done = make_dirs(folder, 0700);
    const auto dir = open_dir(AT_FDCWD, folder);
    if (done)
      done = dir ? write_atomic(dir->get(), kAttemptName, dump_json(to_json(attempt)) + "\n", 0600)
                 : Status(std::unexpected(dir.error()));
  }
  if (done) done = state_->add(fresh, net::random_hex(12));
  if (!done) {
    // Not ours then: the master gives them to somebody else when nobody has accepted them in time.
    log(Level::error, "grants were not taken: they could not be written down",
        {{"error", done.error().message()}});
    counters_.refused_grants += fresh.size();
    master_closed_ = true;  // the next poll comes with a pause
    return;
  }
  fault_point("granted");
  for (auto& attempt : fresh) {
    auto job = std::make_shared<Job>();
    job->folder = folder_of(attempt);
    job->attempt = std::move(attempt);
    log(Level::info, "granted",
        {{"job", job->attempt.job},
         {"attempt", number_text(job->attempt.number)},
         {"type", text_or(job->attempt.spec, "type")}});
    jobs_[job->attempt.key()] = std::move(job);
  }
  accept();
}

/// Everything that is granted and not yet accepted, in one request.
void Agent::accept() {
  std::vector<JobPtr> asked;
  Json list = Json::array();
  for (const auto& [key, job] : jobs_) {
    if (job->attempt.step != Step::granted || job->accepting) continue;
    job->accepting = true;
    asked.push_back(job);
    list.push_back({{"job", job->attempt.job}, {"attempt", job->attempt.number}});
  }
  if (asked.empty()) return;
  const std::string path = "/nodes/" + identity_.id + "/accept";
  beat_pool_->post([this, path, list, asked] {
    const Reply reply = beat_link_->ask("POST", path, {{"jobs", list}}, {"jobs"}, kBeatTimeout);
    loop_->post([this, asked, reply] { on_accepted(asked, reply); });
  });
}

void Agent::on_accepted(const std::vector<JobPtr>& asked, const Reply& reply) {
  heard(reply);
  for (const auto& job : asked) job->accepting = false;
  if (reply.trouble == Trouble::key) on_bad_key(reply.why);
  if (reply.trouble != Trouble::none && reply.trouble != Trouble::refused) {
    loop_->after(beat_backoff_.next(reply.retry_after), [this] { accept(); });
    return;
  }
  fault_point("accepted-before");
  const Json& answers = at_or_null(reply.body, "jobs");
  for (const auto& job : asked) {
    uint64_t status = 404;
    if (answers.is_array())
      for (const Json& one : answers)
        if (text_or(one, "job") == job->attempt.job &&
            static_cast<int64_t>(whole_or(one, "attempt", 0)) == job->attempt.number)
          status = whole_or(one, "status", 404);
    if (status != 200) {
      log(Level::info, "the grant is not ours any more",
          {{"job", job->attempt.job}, {"attempt", number_text(job->attempt.number)}});
      counters_.refused_grants++;
      forget(job);
      continue;
    }
    counters_.accepted++;
    if (move_to(job, Step::accepted)) advance(job);
  }
  poll();
}

}  // namespace ffrtmp::agent
