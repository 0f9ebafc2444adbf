#pragma once

#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "cgroup/leaf.h"
#include "cgroup/receipt.h"
#include "proc/process_ref.h"
#include "sys/clock.h"
#include "sys/json.h"

namespace ffrtmp {

/// Everything about a job that must outlive the process which started it: record.json in the job's folder.
/// The folder is 0700 and the file 0600: the command stands here as it was given, secrets included.
struct Record {
  std::string job_id;
  std::string mode = "run";  ///< run, attach
  std::string rule;          ///< of ffrtmp watch, which adopted it; "" for none
  std::string job_type;      ///< "" for a plain command
  unsigned restarts = 0;     ///< how often its recorder started it again
  bool restarts_itself =
      false;  ///< its recorder may start it again: it is not over when the workload has ended
  std::optional<WallTime> stalled_since;  ///< its media time has not advanced since
  std::vector<std::string> command;
  std::string workdir;
  WallTime started_at;
  std::optional<ProcessIdentity> workload;  ///< none while it is being started
  std::optional<ProcessIdentity> observer;  ///< the wrapper or recorder that waits for it; none for --exec
  bool detached = false;
  bool keep = true;                     ///< the folder stays after the end (an id was given, or detached)
  std::string log_path, progress_path;  ///< empty when there is none
  std::optional<double> timeout_s;
  std::optional<double> media_s;   ///< seconds of media that a declared job makes, where known
  std::string boot_id;             ///< of the boot it was started in; cgroups and PIDs are of no other
  std::vector<LeafPlace> cgroups;  ///< the leaf's folders
  std::string leaf_name;
  bool own_leaf = true;  ///< we made that leaf; not so for a job that is limited where it stood before
  Receipt receipt;
};

/// The job's cgroup as it is now; without folders when it is gone, or was another boot's.
Leaf leaf_of(const Host& host, const Record& record);

Json to_json(const Record& record);
Result<Record> record_from_json(const Json& json);

Json to_json(const ProcessIdentity& identity);
std::optional<ProcessIdentity> identity_from_json(const Json& json);

}  // namespace ffrtmp
