#pragma once

#include "jobs/record.h"
#include "why/report.h"

namespace ffrtmp {

/// The account of a job that has ended, from its record and result.json alone: nothing that is not written
/// there is claimed. `log_tail`: its last lines, where the result holds none. Pure; never throws, whatever
/// the result holds.
WhyReport why_it_ended(const Record& record, const Json& result, const std::vector<std::string>& log_tail);

/// Who usually sends this signal, as a clause; "" where nothing is known. A guess, and to be called so.
std::string usual_sender(int signal);

/// What a message of FFmpeg's, GStreamer's or the C library's in a log usually points to.
struct LogHint {
  std::string name;  ///< of the cause: "network", "disk full", …
  std::string text;  ///< a clause
};
/// The hint that the last telling line gives, if any does.
std::optional<LogHint> hint_of(const std::vector<std::string>& log_tail);

}  // namespace ffrtmp
