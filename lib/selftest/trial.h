#pragma once

#include <optional>
#include <string>

#include "cgroup/limit.h"
#include "jobs/result.h"
#include "sys/json.h"

namespace ffrtmp {

/// What became of one limit that was tried.
struct Trial {
  enum class Verdict {
    bites,   ///< the workload was held to it
    fails,   ///< it was said to be in force, and did not hold
    absent,  ///< not to be had here, or not to be told; `text` says why
  };
  std::string limit, asked;
  Verdict verdict = Verdict::absent;
  std::string text;
};
std::string_view verdict_name(Trial::Verdict verdict);
Json to_json(const Trial& trial);

/// A dummy's run: what it was limited to by the receipt, how it ended, and what it told.
struct DummyRun {
  Record record;
  Ending ending;
  Verdict verdict;
  Json told;  ///< null when it told nothing
};

// Judgements from a run; pure. Each knows what the dummy would have done without the limit, so that a limit
// that was never reached is not called one that bites.

Trial judge_cpu(const DummyRun& run, const CpuMax& quota);
Trial judge_memory_max(const DummyRun& run, Bytes limit);
Trial judge_memory_high(const DummyRun& run, Bytes limit, Bytes written);
Trial judge_pids(const DummyRun& run, uint64_t most, uint64_t wanted);
Trial judge_cpuset(const DummyRun& run, const CpuList& cpus);
Trial judge_io(const DummyRun& run, const IoMax& limit, const std::string& where);
/// `key` of what the dummy told of itself has to be `value`.
Trial judge_setting(const DummyRun& run, LimitKind kind, const std::string& asked, const std::string& key,
                    int64_t value);
Trial judge_timeout(const DummyRun& run, Duration limit);

}  // namespace ffrtmp
