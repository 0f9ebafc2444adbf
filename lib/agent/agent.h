#pragma once

#include <atomic>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <thread>

#include "agent/identity.h"
#include "agent/launch_wrapper.h"
#include "agent/link.h"
#include "agent/loop.h"
#include "agent/metrics.h"
#include "agent/observe.h"
#include "agent/options.h"
#include "agent/outcome.h"
#include "agent/sender.h"
#include "agent/state.h"
#include "agent/yield.h"
#include "net/pool.h"
#include "proc/process_ref.h"
#include "sys/notify.h"

namespace ffrtmp::net {
class Server;
}

namespace ffrtmp::agent {

/// The agent of one node. All state belongs to the loop's thread; others wait for the network (a parked poll,
/// heartbeats, the outbox, files that go elsewhere, the local server) and hand what they heard to the loop.
/// Its jobs run without it: it launches them through ffrtmp, reads their recorders' files, and may be gone at
/// any moment.
class Agent {
 public:
  explicit Agent(Options options);
  ~Agent();

  /// Until a signal: SIGTERM and SIGINT leave the jobs running, SIGHUP reads the configuration anew. Returns
  /// the exit code. Errors: it cannot work at all (its state, its key, another agent).
  Result<int> run();

 private:
  /// An attempt and what is only true while we live.
  struct Job {
    Attempt attempt;
    std::string folder;
    std::optional<StoredJob> stored;                ///< as it was when looked at last
    Fd watched;                                     ///< pidfd of whoever is waited for
    std::shared_ptr<std::atomic<bool>> stop_fetch;  ///< set while its inputs are fetched
    std::shared_ptr<std::atomic<bool>> stop_put;    ///< of its file that was given to a stranger last
    bool accepting = false, launcher = false, helper = false;
    bool stop_asked = false;  ///< ffrtmp stop was told, in this life
    std::string share_of;     ///< the queue whose share it was given, in this life
    bool log_waits = false;   ///< a piece of its log is on its way
    bool log_done = false;
    bool stands_aside = false;             ///< for a live job
    std::optional<uint64_t> waited_us[3];  ///< of a live job: for CPU, memory, disk, when looked at last
    Json progress = Json::object();
  };
  using JobPtr = std::shared_ptr<Job>;

  // agent.cc
  Status set_up();
  Status open_signals();
  void on_signal();
  void reload();
  void probe(bool fresh);
  void probe_done();
  void probe_on_change();
  void shrink_when_quiet();
  void leave(int code);
  void maybe_leave();
  void withdraw_poll(const std::function<void()>& after);
  void tell_manager();
  void ping_watchdog();
  std::string folder_of(const Attempt& attempt) const;
  Gauges gauges() const;
  Json node_page() const;
  std::string why_not_ready() const;
  Status start_local_server();

  // reconcile.cc
  void reconcile();
  void recover_unknown_folders();
  void resume_launch(const JobPtr& job);

  // contact.cc: everything that is said to a master but results
  void register_node();
  void on_registered(const Reply& reply);
  void tell_capabilities();
  void beat_in(Duration pause);
  void beat();
  void on_beat(const Reply& reply);
  void on_move(const std::string& job, int64_t number, const std::string& queue, const std::string& priority);
  void on_command(const std::string& job, int64_t number, const std::string& action,
                  const std::string& reason);
  void poll();
  void on_poll(const Reply& reply);
  void take_grants(const Json& grants);
  void accept();
  void on_accepted(const std::vector<JobPtr>& asked, const Reply& reply);
  void recall_silence();
  void heard(const Reply& reply);
  void on_bad_key(const std::string& why);
  bool may_take_work() const;
  bool may_listen() const;
  /// The master gives this node no work for now, whatever it has to give.
  bool shut() const { return master_drains_ || cordoned_; }
  Json beat_body();
  void give_up_overdue();

  // attempts.cc: the life of an attempt
  void advance(const JobPtr& job);
  void fetch(const JobPtr& job, Prepared prepared);
  void launch(const JobPtr& job);
  void on_launched(const JobPtr& job, int wait_status);
  void watch_run(const JobPtr& job);
  void finish(const JobPtr& job, const Outcome& outcome);
  void forget(const JobPtr& job);
  void apply_wish(const JobPtr& job);
  void apply_share(const JobPtr& job);
  void run_helper(const JobPtr& job, const std::vector<std::string>& arguments);
  bool move_to(const JobPtr& job, Step step);
  JobPtr find(const std::string& job, int64_t number) const;

  // pressure.cc
  std::optional<double> live_pressure();
  void yield_to_live();

  // deliver.cc: the outbox
  /// A thread that carries items of the outbox, one at a time: those for the master have one, files for
  /// strangers another, so that no result waits behind a slow store.
  struct Carrier {
    std::unique_ptr<net::Pool> pool;  ///< made when it is needed first
    Backoff backoff{std::chrono::milliseconds(500), std::chrono::seconds(60)};
    Loop::Timer timer = 0;
    bool busy = false;
  };
  Carrier& carrier_of(const OutboxItem& item);
  Json delivery_of(const Job& job) const;
  void deliver(Carrier& carrier);
  void deliver_in(Carrier& carrier, Duration pause);
  void deliver_soon();
  void send_item(OutboxItem item, const JobPtr& job);
  void on_sent(const OutboxItem& item, const JobPtr& job, const Sent& sent);
  void send_live_logs();
  void on_live_log(const JobPtr& job, const Sent& sent);
  void call_off_delivery(const JobPtr& job);
  void on_broken(const OutboxItem& item, const JobPtr& job, const std::string& why);
  bool item_goes_first(const OutboxItem& a, const OutboxItem& b) const;

  Options options_;
  std::string wrapper_;
  Host host_;
  ServiceManager manager_;
  std::unique_ptr<Loop> loop_;
  std::optional<State> state_;
  Identity identity_;
  std::shared_ptr<Masters> masters_;
  std::map<std::string, JobPtr> jobs_;  ///< by Attempt::key()
  std::vector<OutboxItem> outbox_;      ///< as it is on disk

  std::unique_ptr<Link> beat_link_, poll_link_, carry_link_;
  std::unique_ptr<net::Pool> beat_pool_, poll_pool_;
  Carrier to_master_, elsewhere_;
  PieceSize piece_size_;  ///< of to_master_'s thread
  struct Put {
    Backoff backoff{std::chrono::seconds(1), std::chrono::seconds(60)};
    Duration due{};  ///< of boot_time()
    std::string why;
  };
  std::map<int64_t, Put> puts_;  ///< files that a stranger has not taken yet, by their item's id
  std::unique_ptr<net::Server> server_;
  Fd signals_;

  Backoff beat_backoff_{std::chrono::milliseconds(500), std::chrono::seconds(30)};
  Backoff poll_backoff_{std::chrono::milliseconds(500), std::chrono::seconds(30)};
  Backoff join_backoff_{std::chrono::seconds(1), std::chrono::seconds(60)};
  Loop::Timer beat_timer_ = 0, poll_timer_ = 0, quiet_timer_ = 0;
  bool beating_ = false, polling_ = false, joining_ = false, probing_ = false, probe_again_ = false;
  uint64_t encoder_sessions_ = 0;
  std::string fingerprint_;  ///< what the findings of the last probe depend on
  std::optional<ProcessRef> probe_;
  bool ever_joined_ = false, leaving_ = false;

  std::string session_;
  int64_t beat_number_ = 0;
  Yield yield_;
  Duration pressure_at_{};
  Duration heartbeat_ = std::chrono::seconds(5);
  Duration last_heard_{};
  bool silence_noted_ = false;  ///< last_heard_ is on disk
  bool listening_ = false;      ///< the poll that is parked asks for no work
  bool beat_again_ = false;     ///< at once when the beat that is on its way has been answered
  bool told_ = false;           ///< the master has heard what we have, since it was reached again
  bool reached_ = false, master_drains_ = false, cordoned_ = false, master_closed_ = false, draining_ = false;
  bool second_ = false;  ///< another agent has our identity, and the master listens to that one
  std::string last_trouble_, last_refusal_, told_status_;
  Counters counters_;
  int exit_code_ = 0;
  std::optional<Error> fatal_;
};

}  // namespace ffrtmp::agent
