#pragma once

#include <optional>
#include <string>
#include <vector>

#include "sys/json.h"

namespace ffrtmp {

/// How far the evidence goes: a counter of the kernel's says it, or it is the best reading of several.
enum class Certainty { certain, likely };
std::string_view certainty_name(Certainty certainty);

/// One thing that holds a job back, or ended it.
struct Cause {
  std::string name;  ///< "cpu quota", "host cpu", "memory limit", "disk limit", "disk", "network", …
  Certainty certainty = Certainty::likely;
  double share = 0;    ///< of the time watched, 0 to 1; by which causes are ordered
  std::string text;    ///< one clause, without its subject: "is throttled by …"
  std::string limit;   ///< the limit that would help ("cpu.max"); empty where none of the job's does
  std::string value;   ///< what would have sufficed, as the option takes it ("180%")
  std::string also;    ///< a further option without which that would not help ("--cpu-max 400%")
  bool enough = true;  ///< false: even that would not do, and `caveat` says why
  std::string caveat;  ///< what the value rests on
};

/// One line of evidence.
struct Evidence {
  std::string name, text;
};

/// The answer to "why": one sentence, then what it rests on.
struct WhyReport {
  std::string job_id, state;
  bool over = false;  ///< it has ended: a value is for the next time
  std::string sentence;
  std::vector<Cause> causes;  ///< the heaviest first
  std::vector<Evidence> evidence;
  std::vector<std::string> log_tail;  ///< secrets hidden
  Json figures = Json::object();      ///< the same for machines
};

/// "--cpu-max 180%", as a shell takes it; empty where no limit of the job's would help.
std::string option_of(const Cause& cause);
/// "ffrtmp set JOB --cpu-max 180%"; empty where that would not help, or not any more.
std::string remedy_of(const WhyReport& report, const Cause& cause);
/// For people: the sentence on a line of its own, then the evidence.
std::string why_text(const WhyReport& report);
/// "schema": 1.
Json to_json(const WhyReport& report);

/// "43 %"
std::string percent_text(double share);

}  // namespace ffrtmp
