#include "jobs/result.h"

#include <signal.h>
#include <sys/utsname.h>
#include <sys/wait.h>

#include <algorithm>
#include <cstring>

#include "jobs/exit_meaning.h"
#include "sys/redact.h"

namespace ffrtmp {

namespace {

constexpr int kSchema = 1;

std::string signal_text(int number) {
  const char* name = sigabbrev_np(number);
  return name ? std::string("SIG") + name : "signal " + std::to_string(number);
}

/// The last line of the log that reads like an explanation, in quotes; or nothing.
std::string quoted_last_line(const Ending& ending) {
  return ending.log_tail.empty() ? "" : ": \"" + redact_text(ending.log_tail.back()) + "\"";
}

void judge_oom(const Ending& ending, const std::string& name, Verdict& out) {
  out.outcome = Outcome::oom_killed;
  if (ending.oom.own_limit) {
    out.killer = "own limit";
    out.reason = name + " hit the job's own memory limit and the kernel killed it (memory.max)";
  } else if (!ending.oom.parent.empty()) {
    out.killer = "parent limit";
    out.reason =
        name + " was killed because cgroup " + ending.oom.parent + ", above the job, hit its memory limit";
  } else if (!ending.oom.oomd.empty()) {
    out.killer = "systemd-oomd";
    out.reason = name + " was killed by systemd-oomd, which found cgroup " + ending.oom.oomd +
                 " under too much memory pressure";
  } else {
    out.killer = "host";
    out.reason = name + " was killed because the host ran out of memory";
  }
}

struct Sla {
  std::optional<bool> compliant;
  std::string reason;
};

/// Whether the platform kept its side: every limit in force as asked, and no end that came from outside the
/// job.
Sla sla_of(const Record& record, const Verdict& verdict) {
  if (verdict.outcome == Outcome::lost || verdict.outcome == Outcome::detached)
    return {std::nullopt, "the end of the job was not observed"};
  if (verdict.killer == "host" || verdict.killer == "parent limit" || verdict.killer == "systemd-oomd")
    return {false, verdict.reason};
  if (verdict.killer == "unknown") return {std::nullopt, "it is not known who ended the job"};
  std::string weaker;
  for (const auto& row : record.receipt.rows)
    if (row.strength != Strength::enforced) weaker += (weaker.empty() ? "" : ", ") + row.name;
  if (!weaker.empty()) return {false, "not enforced as asked: " + weaker};
  return {true, record.receipt.rows.empty()
                    ? "no limit was asked for and nothing outside the job ended it"
                    : "every limit was in force and nothing outside the job ended it"};
}

}  // namespace

std::string_view outcome_name(Outcome outcome) {
  switch (outcome) {
    case Outcome::exited: return "exited";
    case Outcome::signaled: return "signaled";
    case Outcome::oom_killed: return "oom_killed";
    case Outcome::timed_out: return "timed_out";
    case Outcome::detached: return "detached";
    case Outcome::lost: return "lost";
  }
  return "";
}

Verdict judge(const Record& record, const Ending& ending) {
  Verdict out;
  const std::string program = record.command.empty() ? "" : record.command[0];
  const std::string name = !record.job_type.empty() ? record.job_type
                           : program.empty()        ? "the workload"
                                                    : program_name(program);
  if (ending.detached_by) {
    out.outcome = Outcome::detached;
    out.reason = "ffrtmp got " + signal_text(*ending.detached_by) + " and let go of the job, which goes on";
    if (record.mode == "attach")
      out.reason += " inside its limits (ffrtmp detach " + record.job_id + " puts everything back)";
    return out;
  }
  if (ending.released) {
    out.outcome = Outcome::detached;
    out.killer = "";
    out.reason = "detached by ffrtmp detach; the process goes on, and " + *ending.released;
    return out;
  }
  if (!ending.wait_status && ending.seen) {
    if (ending.oom.kills > 0) {
      judge_oom(ending, name, out);
      return out;
    }
    utsname kernel{};
    ::uname(&kernel);
    out.killer = ending.operator_stopped ? "operator" : "";
    out.reason = name + " ended" +
                 (ending.operator_stopped ? " after an operator asked for it (ffrtmp stop)" : "") +
                 "; its exit status is unknown: kernel " + kernel.release +
                 " tells it only to its parent (6.15 and later tell it to us, too)";
    return out;
  }
  if (!ending.wait_status) {
    out.reason = ending.operator_stopped
                     ? "an operator asked for its end (ffrtmp stop); nobody saw the exit code"
                     : "nobody saw how the job ended (whoever waited for it was killed)";
    if (ending.operator_stopped) out.killer = "operator";
    return out;
  }
  const int status = *ending.wait_status;
  if (WIFEXITED(status)) {
    out.outcome = Outcome::exited;
    out.exit_code = WEXITSTATUS(status);
  } else {
    out.outcome = Outcome::signaled;
    out.signal = WTERMSIG(status);
    out.core_dumped = WCOREDUMP(status);
  }
  if (ending.timed_out) {
    out.outcome = Outcome::timed_out;
    out.killer = "own limit";
    out.reason = "the job reached its time limit and was told to stop";
    return out;
  }
  // A shell may outlive its OOM-killed child and pass 137 on: the kernel's counter is the evidence, not the
  // code.
  const bool failed = out.signal || out.exit_code.value_or(0) != 0;
  const bool for_memory = ending.oom.kills > 0 || !ending.oom.oomd.empty();
  if (for_memory && failed && (!out.signal || *out.signal == SIGKILL)) {
    judge_oom(ending, name, out);
    return out;
  }
  if (out.signal) {
    out.killer = ending.operator_stopped ? "operator" : "unknown";
    out.reason = name + " was killed by " + signal_text(*out.signal) +
                 (ending.operator_stopped ? " after an operator asked for it (ffrtmp stop)"
                  : *out.signal == SIGSEGV || *out.signal == SIGABRT || *out.signal == SIGBUS ||
                          *out.signal == SIGFPE || *out.signal == SIGILL
                      ? ": it crashed" + std::string(out.core_dumped ? " and left a core dump" : "")
                  : *out.signal == SIGKILL && ending.oom.asked
                      ? " from somebody else: no memory limit of the job or above it was hit"
                  : *out.signal == SIGKILL ? " by somebody, or for memory: its cgroup could not be asked"
                                           : " from outside");
    if (*out.signal == SIGSEGV || *out.signal == SIGABRT || *out.signal == SIGBUS || *out.signal == SIGFPE ||
        *out.signal == SIGILL)
      out.killer = "";
    return out;
  }
  const int code = *out.exit_code;
  if (ending.operator_stopped) out.killer = "operator";
  const std::string told = text_or(ending.report, "reason");
  const std::string meaning = !told.empty() && code != 0 ? record.job_type + ": " + told
                              : record.job_type.empty()  ? exit_meaning(program, code)
                                                         : "";
  out.reason = (meaning.empty() ? name + (code == 0 ? " finished" : " failed") : meaning) + " (exit code " +
               std::to_string(code) + ")";
  if (code != 0 && told.empty() && !is_clean_stop(program, code)) out.reason += quoted_last_line(ending);
  if (ending.operator_stopped) out.reason += ", after an operator asked for it";
  return out;
}

int exit_code_of(const Verdict& verdict) {
  if (verdict.outcome == Outcome::timed_out) return static_cast<int>(ExitCode::timed_out);
  if (verdict.signal) return kSignalBase + *verdict.signal;
  return verdict.exit_code.value_or(static_cast<int>(ExitCode::ours));
}

Json make_result(const Record& record, const Ending& ending, const Verdict& verdict) {
  const Sla sla = sla_of(record, verdict);
  const Json receipt = to_json(record.receipt);
  std::vector<std::string> log_tail;
  for (const auto& line : ending.log_tail) log_tail.push_back(redact_text(line));
  Json job = ending.report;
  if (!record.job_type.empty()) {
    if (!job.is_object()) job = {{"type", record.job_type}};
    // What the cgroup counted has every process in it, also those that nobody waited for.
    if (ending.usage.cpu_user_s && ending.usage.cpu_system_s)
      job["core_seconds"] = *ending.usage.cpu_user_s + *ending.usage.cpu_system_s;
    job["restarts"] = record.restarts;
    job["stalls"] = ending.stalls;
  }
  return {{"schema", kSchema},
          {"job_id", record.job_id},
          {"mode", record.mode},
          {"command", redact(record.command)},
          {"identity", record.workload ? to_json(*record.workload) : Json(nullptr)},
          {"started_at", rfc3339(record.started_at)},
          {"ended_at", rfc3339(ending.ended_at)},
          {"duration_s", seconds_of(ending.duration)},
          {"outcome", outcome_name(verdict.outcome)},
          {"exit_code", or_null(verdict.exit_code)},
          {"signal", or_null(verdict.signal)},
          {"core_dumped", verdict.core_dumped},
          {"reason", verdict.reason},
          {"killer", verdict.killer.empty() ? Json(nullptr) : Json(verdict.killer)},
          {"placement", receipt["placement"]},
          {"cgroup", receipt["cgroup"]},
          {"receipt", receipt["limits"]},
          {"notes", receipt["notes"]},
          {"usage", to_json(ending.usage)},
          {"media", ending.media ? to_json(*ending.media) : Json(nullptr)},
          {"job", job},
          {"processes_left", ending.left_behind},
          {"log_tail", log_tail},
          {"platform_sla",
           {{"compliant", sla.compliant ? Json(*sla.compliant) : Json(nullptr)}, {"reason", sla.reason}}}};
}

Json lost_result(const Record& record) {
  Ending ending;
  ending.ended_at = wall_now();  // when it was found out; when it happened is not known
  ending.duration = Duration(std::max<int64_t>(0, ending.ended_at.ns - record.started_at.ns));
  return make_result(record, ending, judge(record, ending));
}

int exit_code_of_result(const Json& result) {
  Verdict verdict;
  if (text_or(result, "outcome") == outcome_name(Outcome::timed_out)) verdict.outcome = Outcome::timed_out;
  if (const Json& code = at_or_null(result, "exit_code");
      code.is_number_integer() && code >= 0 && code <= 255)
    verdict.exit_code = code.get<int>();
  if (const Json& signal = at_or_null(result, "signal");
      signal.is_number_integer() && signal >= 1 && signal <= 127)
    verdict.signal = signal.get<int>();
  return exit_code_of(verdict);
}

}  // namespace ffrtmp
