#include "why/why.h"

#include "jobs/live.h"
#include "jobs/result.h"
#include "jobs/tail.h"
#include "sys/redact.h"
#include "why/causes.h"
#include "why/ended.h"
#include "why/watch.h"

namespace ffrtmp {

namespace {

constexpr size_t kLines = 5;

std::vector<std::string> tail_of(const Record& record) {
  if (record.log_path.empty()) return {};
  std::vector<std::string> out;
  for (const auto& line : last_lines(record.log_path, kLines)) out.push_back(redact_text(line));
  return out;
}

/// What anybody can tell of a living job without watching it.
WhyReport describe(const StoredJob& job) {
  WhyReport out;
  out.job_id = job.record.job_id;
  out.state = job_state_text(job);
  std::string text = out.state + " for " + format_duration(age_of(job));
  if (job.record.workload) text += ", pid " + std::to_string(job.record.workload->pid);
  if (job.record.restarts > 0) text += ", started again " + std::to_string(job.record.restarts) + " time(s)";
  if (job.state == JobState::unobserved) text += ", nobody waits for its end";
  out.evidence.push_back({"state", text});
  if (job.record.stalled_since)
    out.evidence.push_back(
        {"stalled", "its media time has stood still since " + rfc3339(*job.record.stalled_since)});
  std::string weaker;
  for (const auto& row : job.record.receipt.rows)
    if (row.strength != Strength::enforced) weaker += (weaker.empty() ? "" : ", ") + row.name;
  if (!weaker.empty()) out.evidence.push_back({"limits", "not enforced as asked: " + weaker});
  out.log_tail = tail_of(job.record);
  return out;
}

}  // namespace

Result<WhyReport> why(const Host& host, const JobStore& store, const StoredJob& job, Duration window) {
  switch (job.state) {
    case JobState::ended:
      return why_it_ended(job.record, job.result ? *job.result : Json::object(), tail_of(job.record));
    case JobState::lost: return why_it_ended(job.record, lost_result(job.record), tail_of(job.record));
    case JobState::starting: {
      WhyReport out = describe(job);
      out.sentence = "it is just being started";
      return out;
    }
    case JobState::running:
    case JobState::unobserved: break;
  }
  if (job.paused) {
    WhyReport out = describe(job);
    Cause cause;
    cause.name = "paused";
    cause.certainty = Certainty::certain;
    cause.share = 1;
    cause.text = "was frozen by an operator; ffrtmp resume " + job.record.job_id + " lets it go on";
    out.sentence = "it " + cause.text;
    out.causes.push_back(cause);
    return out;
  }
  const auto seen = watch_job(host, job, window);
  if (!seen) {
    // It may have ended under our eyes: then there is a better answer than an error.
    if (const auto again = store.find(job.record.job_id); again && (is_over(again->state)))
      return why(host, store, *again, window);
    return std::unexpected(seen.error());
  }
  WhyReport out = describe(job);
  out.causes = find_causes(*seen);
  out.sentence = sentence_of(*seen, out.causes);
  out.evidence[0].text += ", watched for " + format_duration(window);
  for (auto& evidence : evidence_of(*seen)) out.evidence.push_back(std::move(evidence));
  out.figures = figures_of(*seen);
  return out;
}

}  // namespace ffrtmp
