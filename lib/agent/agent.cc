#include "agent/agent.h"

#include <signal.h>
#include <sys/signalfd.h>
#include <sys/stat.h>
#include <unistd.h>

#include <filesystem>

#include "agent/capabilities.h"
#include "agent/fault.h"
#include "agent/log.h"
#include "jobs/observe.h"
#include "media/encoders.h"
#include "net/digest.h"
#include "net/server.h"
#include "sys/clock.h"
#include "sys/file.h"
#include "sys/text.h"

namespace ffrtmp::agent {

namespace {
// Seconds without a byte: a link that has gone silent must not hold up the outbox.
constexpr double kStall = 20;
}  // namespace

Agent::Agent(Options options) : options_(std::move(options)) {}
Agent::~Agent() = default;

std::string Agent::folder_of(const Attempt& attempt) const {
  return options_.work_dir + "/" + attempt.run_id;
}

Status Agent::open_signals() {
  sigset_t set;
  sigemptyset(&set);
  for (const int signal : {SIGTERM, SIGINT, SIGHUP}) sigaddset(&set, signal);
  // In every thread, for they are made after this.
  ::sigprocmask(SIG_BLOCK, &set, nullptr);
  ::signal(SIGPIPE, SIG_IGN);
  signals_ = Fd(::signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK));
  if (!signals_) return sys_error("waiting for signals", "");
  return loop_->watch(signals_.get(), [this] { on_signal(); });
}

Status Agent::set_up() {
  TRY(wrapper_, wrapper_program());
  TRY_OK(make_dirs(options_.state_dir, 0700));
  TRY_OK(make_dirs(options_.work_dir, 0700));
  TRY(loop_, Loop::make());
  TRY_OK(open_signals());
  TRY(State state, State::open(options_.state_dir));
  state_.emplace(std::move(state));
  if (!state_->set_aside().empty())
    log(Level::error, "the agent's state was damaged", {{"what", state_->set_aside()}});
  TRY(identity_, load_identity(options_.state_dir, options_.name));
  if (!identity_.registered() && options_.api_key.empty())
    return bad_input("this node has not joined a fleet yet, and there is no key to join with", "",
                     "give --api-key-file FILE (ffrtmp keys create --role worker makes one)");
  masters_ = std::make_shared<Masters>(options_);
  masters_->set_token(identity_.id, identity_.token);
  beat_link_ = std::make_unique<Link>(masters_);
  poll_link_ = std::make_unique<Link>(masters_);
  carry_link_ = std::make_unique<Link>(masters_, kStall);
  host_ = probe_host();
  session_ = net::random_hex(8);
  recall_silence();
  return {};
}

Result<int> Agent::run() {
  TRY_OK(set_up());
  ever_joined_ = identity_.registered();
  // Few threads with small stacks that mostly wait.
  beat_pool_ = std::make_unique<net::Pool>(1);
  poll_pool_ = std::make_unique<net::Pool>(1);
  to_master_.pool = std::make_unique<net::Pool>(1);
  reconcile();
  TRY_OK(start_local_server());
  log(Level::info, "started",
      {{"node", identity_.id.empty() ? identity_.name : identity_.id},
       {"master", masters_->current()},
       {"slots", std::to_string(slots_of(options_))},
       {"attempts", std::to_string(jobs_.size())}});
  probe(false);
  // What we have is told first: only then is there more to ask for (on_beat()).
  beat();
  deliver_soon();
  manager_.tell("READY=1");
  tell_manager();
  ping_watchdog();
  loop_->run();
  manager_.tell("STOPPING=1");
  if (fatal_) return std::unexpected(*fatal_);
  // The other threads may wait for a master for a minute yet. All that counts is on disk.
  ::fflush(nullptr);
  ::_exit(exit_code_);
}

void Agent::leave(int code) {
  if (probe_) (void)probe_->signal(SIGTERM);  // it is no workload
  exit_code_ = code;
  loop_->stop();
}

void Agent::on_signal() {
  signalfd_siginfo info{};
  while (::read(signals_.get(), &info, sizeof info) == sizeof info) {
    if (info.ssi_signo == SIGHUP) {
      reload();
      continue;
    }
    size_t running = 0;
    for (const auto& [key, job] : jobs_) running += job->attempt.step == Step::running;
    if (options_.drain && !draining_) {
      draining_ = true;
      log(Level::info, "drains: finishes what there is and takes no more; a second signal leaves at once",
          {{"attempts", std::to_string(jobs_.size())}});
      manager_.tell("STOPPING=1\nSTATUS=draining\nEXTEND_TIMEOUT_USEC=60000000");
      withdraw_poll([this] { maybe_leave(); });
      continue;
    }
    if (leaving_) return leave(0);
    log(Level::info, "leaves; what runs goes on without it", {{"running", std::to_string(running)}});
    leaving_ = true;
    withdraw_poll([this] { leave(0); });
  }
}

/// Takes back the poll that the master has parked, so that no job is offered to nobody; then does `after`.
/// With little patience, for the master may be away.
void Agent::withdraw_poll(const std::function<void()>& after) {
  if (!polling_ || !reached_) return after();
  constexpr int kPatience = 2;
  const Json body = {
      {"nonce", net::random_hex(12)}, {"max_jobs", 1}, {"wait_s", 0}, {"free", {{"slots", 0}}}};
  auto once = std::make_shared<std::function<void()>>(after);
  const auto then = [once] {
    if (const auto call = std::exchange(*once, nullptr)) call();
  };
  beat_pool_->post([this, body, then, path = "/nodes/" + identity_.id + "/lease"] {
    (void)beat_link_->ask("POST", path, body, {"grants"}, kPatience);
    loop_->post(then);
  });
  loop_->after(std::chrono::seconds(kPatience), then);
}

/// When a drain has come to its end: nothing runs, and everything is told.
void Agent::maybe_leave() {
  if (draining_ && jobs_.empty() && outbox_.empty()) {
    log(Level::info, "drained");
    leave(0);
  }
}

void Agent::reload() {
  manager_.tell("RELOADING=1\nMONOTONIC_USEC=" + std::to_string(monotonic_now().count() / 1000));
  if (auto fresh = reread_options(options_)) {
    options_ = std::move(*fresh);
    set_log(level_of(options_.log_level), options_.log_format == "json");
    log(Level::info, "reloaded");
  } else {
    log(Level::error, "not reloaded, the old settings stay", {{"error", fresh.error().message()}});
  }
  manager_.tell("READY=1");
  probe(true);
}

void Agent::probe(bool fresh) {
  // What runs may have looked already at what has changed since.
  probe_again_ = probing_ && fresh;
  if (probing_) return;
  fingerprint_ = encoder_fingerprint();
  auto child = start_probe(wrapper_, options_.state_dir, fresh);
  if (child)
    if (auto process = ProcessRef::open(child->pid)) probe_ = std::move(*process);
  auto waits = child ? loop_->on_exit(std::move(*child), [this](int) { probe_done(); })
                     : Status(std::unexpected(child.error()));
  probing_ = waits.has_value();
  if (!waits) {
    log(Level::warning, "what this node can do was not looked at", {{"error", waits.error().message()}});
    probe_done();
  }
}

/// Asked with each heartbeat.
void Agent::probe_on_change() {
  if (probing_ || encoder_fingerprint() == fingerprint_) return;
  log(Level::info, "FFmpeg, a driver or a device has changed: looks anew at what this node can do");
  probe(true);
}

void Agent::probe_done() {
  probing_ = false;
  probe_.reset();
  if (probe_again_) return probe(true);
  encoder_sessions_ = encoder_sessions(options_, probed(options_.state_dir));
  if (identity_.registered())
    tell_capabilities();
  else
    register_node();
  shrink_when_quiet();  // job types are read with a parser that takes megabytes for a moment
}

/// Gives memory back when nothing has happened for a moment: an agent waits for days.
void Agent::shrink_when_quiet() {
  constexpr auto kQuiet = std::chrono::seconds(3);
  loop_->cancel(quiet_timer_);
  quiet_timer_ = loop_->after(kQuiet, [this] {
    quiet_timer_ = 0;
    shrink();
  });
}

void Agent::tell_manager() {
  std::string text = "STATUS=" + std::to_string(jobs_.size()) + " attempts, " +
                     std::to_string(outbox_.size()) + " to be told, master " +
                     (reached_ ? "reached" : "not reached");
  if (text == told_status_) return;
  told_status_ = text;
  manager_.tell(text);
}

void Agent::ping_watchdog() {
  if (!manager_.watchdog()) return;
  manager_.tell("WATCHDOG=1" + std::string(draining_ ? "\nEXTEND_TIMEOUT_USEC=60000000" : ""));
  loop_->after(*manager_.watchdog(), [this] { ping_watchdog(); });
}

}  // namespace ffrtmp::agent
