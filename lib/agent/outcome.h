#pragma once

#include <string>
#include <vector>

#include "agent/attempt.h"
#include "agent/prepare.h"

namespace ffrtmp::agent {

/// How an attempt ended, in the master's terms.
struct Outcome {
  std::string outcome;  ///< succeeded, failed, cancelled
  std::string failure_class, reason;
  Json result = Json::object();  ///< what the recorder wrote, without secrets; {} where there is none
  Json outputs = Json::array();  ///< the files that the job made, as it named them
};

/// Judges a recorder's result (docs/RESULT.md). Pure.
Outcome judge_result(const Attempt& attempt, const Json& result);
/// ffrtmp would not launch it: `complaint` is the line that it printed.
Outcome judge_refused_launch(const Attempt& attempt, int exit_code, const std::string& complaint);
/// It was launched, and nothing of it is left to be seen.
Outcome judge_vanished(const Attempt& attempt, bool rebooted);
Outcome judge_refusal(const Attempt& attempt, const Refusal& refusal);
/// The master wanted it no more, and said so.
Outcome cancelled(const Attempt& attempt, const Json& result);

/// What an ended attempt puts into the outbox: its log, the files it made for the master or for a PUT, its
/// result. Files are those that the result names below the attempt's folder; each was verified and hashed by
/// its job. With `short_of_room` only the files, and the result without the recorder's account.
std::vector<OutboxItem> outbox_items(const Attempt& attempt, const Outcome& outcome,
                                     const std::string& folder, bool short_of_room = false);

/// The body of POST …/results; at most `most` bytes, with what matters least left out first.
Json result_body(const Attempt& attempt, const Outcome& outcome, size_t most = 200'000);

/// A document without secrets in its texts, and without the values of keys that are named like one.
Json without_secrets(const Json& json);

}  // namespace ffrtmp::agent
