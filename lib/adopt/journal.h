#pragma once

#include <optional>
#include <string>
#include <variant>
#include <vector>

#include "adopt/threads.h"
#include "cgroup/knobs.h"
#include "cgroup/leaf.h"
#include "proc/process_ref.h"
#include "sys/json.h"

namespace ffrtmp {

inline constexpr char kJournalFile[] = "journal.json";  ///< in the job's folder

/// What adopting a process changes, step by step, with what was there before. Each step is on disk before it
/// is done: one that was not done any more when we were killed undoes nothing.

/// A leaf of ours was made. Undone by removing it when it is empty.
struct LeafStep {
  std::string name;
  std::vector<LeafPlace> places;  ///< their ids are not known yet
  bool operator==(const LeafStep&) const = default;
};
/// Processes were moved from one cgroup into another of the same hierarchy.
struct MoveStep {
  struct Move {
    ProcessIdentity process;
    std::string mount_point, from, to;
    bool operator==(const Move&) const = default;
  };
  std::vector<Move> moves;
  bool operator==(const MoveStep&) const = default;
};
/// Control files of a cgroup were written.
struct ControlStep {
  LeafPlace place;
  std::vector<ControlText> before;
  /// As the kernel shows them afterwards; none until it was done.
  std::optional<std::vector<ControlText>> after;
  bool operator==(const ControlStep&) const = default;
};
/// Properties of a systemd unit were set: arrays of [name, value].
struct UnitStep {
  std::string manager, unit;
  Json before, after;
  bool operator==(const UnitStep&) const = default;
};
/// A setting of threads was changed.
struct ThreadStep {
  struct Thread {
    ThreadRef thread;
    std::string before;
    bool operator==(const Thread&) const = default;
  };
  ProcessIdentity process;
  ThreadSetting setting = ThreadSetting::nice;
  std::vector<Thread> threads;
  std::string after;  ///< "": not set by us, but kept against a move that may change it
  bool operator==(const ThreadStep&) const = default;
};
/// oom_score_adj of a process was written.
struct OomStep {
  ProcessIdentity process;
  int before = 0, after = 0;
  bool operator==(const OomStep&) const = default;
};

using Step = std::variant<LeafStep, MoveStep, ControlStep, UnitStep, ThreadStep, OomStep>;

Json to_json(const std::vector<Step>& steps);
/// Strict: what acts on cgroups and processes is taken only as we would have written it.
Result<std::vector<Step>> steps_from_json(const Json& json);

/// The journal of one job: journal.json in its folder.
class Journal {
 public:
  /// `dir` is the job's open folder, which must stay open. Starts with the steps that are there.
  static Result<Journal> open(int dir);

  /// Puts a step on disk (temp, fsync, rename); only then may it be done.
  Status add(Step step);
  /// The last step with what is known now that it was done.
  Status amend(Step step);
  const std::vector<Step>& steps() const { return steps_; }
  /// Forgets the steps from the `count`-th on: they were undone.
  Status cut(size_t count);

 private:
  explicit Journal(int dir) : dir_(dir) {}
  Status write() const;
  int dir_;
  std::vector<Step> steps_;
};

}  // namespace ffrtmp
