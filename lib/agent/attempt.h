#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "sys/json.h"

namespace ffrtmp::agent {

/// How far an attempt has come. Each is on disk before what follows from it is done, and what is done may be
/// done again: an agent that is killed anywhere goes on from here.
enum class Step {
  granted,    ///< on disk; the master waits for our word
  accepted,   ///< ours; its inputs are fetched
  ready,      ///< everything is here to launch it
  launching,  ///< ffrtmp was told to launch it, or is about to be
  running,    ///< the recorder has it
  ended,      ///< its result is in the outbox
};
std::string_view step_name(Step step);
Step step_named(std::string_view name);

/// What is to become of an attempt, by the master's word.
enum class Wish {
  run,
  pause,
  cancel,  ///< stop it, and report it as cancelled
  drop,    ///< stop it, and report nothing: it is not ours any more
};
std::string_view wish_name(Wish wish);
Wish wish_named(std::string_view name);

/// One try to run a job on this node.
struct Attempt {
  std::string job;
  int64_t number = 0;  ///< the fence, with `job`
  Step step = Step::granted;
  Wish wish = Wish::run;
  std::string wish_reason;
  std::string run_id;  ///< of the wrapper's job
  std::string queue = "default", priority = "medium";
  Json spec = Json::object();  ///< as the master gave it, secrets included
  std::string boot_id;         ///< of the boot in which it was launched; "" before
  int64_t log_from = 0;        ///< of the log file, from here on it is not sent yet
  int64_t log_at = 0;          ///< where the master's copy goes on
  int64_t granted_at = 0;      ///< wall clock, milliseconds

  std::string key() const { return job + "." + std::to_string(number); }
};

/// The wrapper's id of an attempt: the same for the same attempt, unlike that of any other.
std::string run_id_of(const std::string& job, int64_t number);

Json to_json(const Attempt& attempt);
/// Nothing readable in it: job is "".
Attempt attempt_from_json(const Json& json);

/// What has to be told to the master, in order. An attempt's artifacts and log go before its result.
struct OutboxItem {
  int64_t id = 0;
  std::string job;
  int64_t number = 0;
  std::string kind;  ///< "log", "artifact", "put", "result"
  Json body = Json::object();

  bool is_of(const Attempt& attempt) const { return job == attempt.job && number == attempt.number; }
};

}  // namespace ffrtmp::agent
