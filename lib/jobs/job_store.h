#pragma once

#include <map>
#include <optional>
#include <string>
#include <vector>

#include "jobs/record.h"
#include "sys/fd.h"
#include "sys/json.h"
#include "sys/result.h"

namespace ffrtmp {

inline constexpr char kRecordFile[] = "record.json";
inline constexpr char kResultFile[] = "result.json";
inline constexpr char kProgressFile[] = "progress";
inline constexpr char kLogFile[] = "log";
inline constexpr char kPausedFile[] = "paused.json";  ///< an operator has frozen it
inline constexpr char kReportFile[] = "report.json";  ///< a declared job's own account of its steps
inline constexpr char kStopFile[] = "stop.json";      ///< an operator asked for its end

/// A declared job's account of itself in its folder; null where there is none that can be read.
Json read_job_report(int job_folder);

/// The state of one job as anybody can tell it from its folder and the living processes.
enum class JobState {
  starting,    ///< its launcher lives, the workload does not yet
  running,     ///< the workload lives and somebody waits for it
  unobserved,  ///< the workload lives; whoever waited for it does not
  ended,       ///< there is a result
  lost,        ///< it ended and nobody saw how
};
std::string_view job_state_name(JobState state);
/// Nothing of the job lives any more.
inline bool is_over(JobState state) { return state == JobState::ended || state == JobState::lost; }

/// A job found in the store.
struct StoredJob {
  Record record;
  JobState state = JobState::lost;
  std::optional<Json> result;
  std::string folder;   ///< absolute path
  bool paused = false;  ///< frozen by ffrtmp pause
};
/// For people: the state's name, or "paused".
std::string_view job_state_text(const StoredJob& job);

/// Which process a job has that may live.
struct Holding {
  std::string job_id;
  std::string mode;
  std::optional<ProcessIdentity> workload, observer;
};

/// The folder of one job that this process claimed. Everything in it is written temp + fsync + rename.
class JobFolder {
 public:
  JobFolder(std::string path, Fd dir) : path_(std::move(path)), dir_(std::move(dir)) {}
  const std::string& path() const { return path_; }
  int dir() const { return dir_.get(); }
  Status write_record(const Record& record) const;
  /// What stands there now: others may have changed the job's limits.
  Result<Record> read_record() const;
  /// What the process that waits for the job does instead: writes its record over what others may have
  /// changed meanwhile, and keeps their changes (take_changes).
  Status rewrite_record(Record& record) const;
  /// Takes the receipt over that `ffrtmp set` has written since we wrote the record last: whoever waits for a
  /// job calls it before it judges or writes the record again. One stat(2) where nobody did.
  void take_changes(Record& record) const;
  /// Keeps others from changing the job at the same time, for as long as the descriptor is open. EWOULDBLOCK.
  Result<Fd> lock() const;
  Status write_result(const Json& result) const;

  /// What tells a file that we wrote or read from one that others put in its place: rename makes it another
  /// inode.
  struct Stamp {
    uint64_t inode = 0;
    int64_t changed_ns = 0;
    bool operator==(const Stamp&) const = default;
  };

 private:
  mutable Stamp written_;
  std::string path_;
  Fd dir_;
};

/// Where jobs are kept: FFRTMP_STATE_DIR, else /run/ffrtmp for root, else $XDG_RUNTIME_DIR/ffrtmp,
/// else /run/user/UID/ffrtmp, else /tmp/ffrtmp-UID. One folder a job below jobs/. Safe between processes.
class JobStore {
 public:
  /// Opens it, making folders of mode 0700. Errors: not writable, or owned by somebody else.
  static Result<JobStore> open();
  /// The same without making anything; ENOENT when there is none.
  static Result<JobStore> open_existing();
  static std::string default_path();

  const std::string& path() const { return path_; }

  /// Takes the id for a new job, with its first record: exactly one of several claims wins. An ended job of
  /// that name makes room. Errors: a living job has the id.
  Result<JobFolder> claim(const Record& record) const;
  /// The folder of a job that is there already.
  Result<JobFolder> open_folder(const std::string& job_id) const;
  /// One adoption at a time, so that no process is adopted twice. Waits.
  Result<Fd> lock_adoption() const;
  /// For as long as the descriptor is open there is no other watcher. Errors: there is one.
  Result<Fd> lock_watch() const;
  Result<StoredJob> find(const std::string& job_id) const;
  /// All jobs, oldest first. Folders that cannot be read are left out.
  std::vector<StoredJob> list() const;
  /// What jobs that are not known to be over hold; find() tells whether one of them has ended since. What was
  /// read is remembered in this process, so that asking again costs two stat(2) a job. Not thread-safe.
  std::vector<Holding> holdings() const;
  /// Removes a job's folder (its workload has ended).
  Status forget(const std::string& job_id) const;
  /// Ends what nobody ended: writes the result of lost jobs, removes their empty cgroups, forgets jobs that
  /// ended more than a day ago and the oldest beyond 256. At most once a minute over all processes.
  void sweep(const std::string& except) const;
  /// A number that grows by one with every call, over all processes; for spreading jobs over CPUs.
  unsigned next_number() const;

 private:
  JobStore(std::string path, Fd dir, Fd jobs)
      : path_(std::move(path)), dir_(std::move(dir)), jobs_(std::move(jobs)) {}
  static Result<JobStore> open_at_path(const std::string& path, bool make);
  /// What a job's folder held when it was looked at last.
  struct Seen {
    JobFolder::Stamp record, result;
    bool over = false;
    Holding holding;
  };
  std::string path_;
  Fd dir_, jobs_;
  mutable std::map<std::string, Seen> seen_;
};

}  // namespace ffrtmp
