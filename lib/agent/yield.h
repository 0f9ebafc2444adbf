#pragma once

#include <optional>

namespace ffrtmp::agent {

/// When batch jobs stand still so that a live one does not suffer. Shares (the profiles live and batch) do
/// most of that; this is for what they cannot do: memory, disks, hosts without weights. Pure.
class Yield {
 public:
  enum class Act { nothing, pause_one, resume_one };

  /// `worst`: the largest share of the last moments, 0 to 1, in which some task of a live job waited for CPU,
  /// memory or disk; none: there is no live job, or nothing tells. One job at a time stands aside, at once;
  /// it goes on after three calm looks.
  Act judge(std::optional<double> worst, bool some_batch_runs, bool some_stand_aside) {
    constexpr double kSuffers = 0.2, kCalm = 0.05;
    constexpr int kLooks = 3;
    if (!worst) {
      calm_ = 0;
      return some_stand_aside ? Act::resume_one : Act::nothing;
    }
    calm_ = *worst < kCalm ? calm_ + 1 : 0;
    if (*worst > kSuffers) return some_batch_runs ? Act::pause_one : Act::nothing;
    if (calm_ < kLooks || !some_stand_aside) return Act::nothing;
    calm_ = 0;
    return Act::resume_one;
  }

 private:
  int calm_ = 0;
};

}  // namespace ffrtmp::agent
