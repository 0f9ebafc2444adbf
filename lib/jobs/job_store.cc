#include "jobs/job_store.h"

#include <fcntl.h>
#include <stdio.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cstdlib>

#include "cgroup/host.h"
#include "cgroup/leaf.h"
#include "cgroup/placement.h"
#include "jobs/adoption.h"
#include "jobs/job_id.h"
#include "jobs/result.h"
#include "sys/file.h"
#include "sys/text.h"

namespace ffrtmp {

namespace {

constexpr char kJobs[] = "jobs";
constexpr char kLock[] = "lock";
constexpr char kAdoptionLock[] = "adoption.lock";
constexpr char kWatchLock[] = "watch.lock";
constexpr char kSwept[] = "swept";
constexpr char kCounter[] = "counter";
constexpr int64_t kKeepNs = 24ll * 3600 * 1'000'000'000;
constexpr size_t kKeepCount = 256;
constexpr int64_t kSweepEveryNs = 60ll * 1'000'000'000;

Result<Fd> lock_exclusively(int dir, const char* name = kLock) {
  TRY(Fd fd, open_at(dir, name, O_RDWR | O_CREAT, 0600));
  while (::flock(fd.get(), LOCK_EX) != 0)
    if (errno != EINTR) return sys_error("locking", name);
  return fd;
}

Result<StoredJob> load(int jobs, const std::string& root, const std::string& name) {
  StoredJob out;
  out.folder = root + "/" + kJobs + "/" + name;
  TRY(const Fd dir, open_dir(jobs, name));
  TRY(const std::string text, read_file_at(dir.get(), kRecordFile));
  TRY(const Json json, parse_json(text, out.folder + "/" + kRecordFile));
  TRY(out.record, record_from_json(json));
  // Names and paths in it are acted upon: only what we would have written there is taken.
  const bool plain_leaf = out.record.leaf_name.empty() || check_job_id(out.record.leaf_name).has_value();
  const bool plain_paths = std::ranges::all_of(out.record.cgroups, [](const auto& cgroup) {
    const auto parts = split(cgroup.path, '/');
    return cgroup.path.starts_with('/') && std::ranges::find(parts, "..") == parts.end();
  });
  if (out.record.job_id != name || !plain_leaf || !plain_paths)
    return bad_input("not the record of this job:", out.folder + "/" + kRecordFile);
  if (const auto result = read_file_at(dir.get(), kResultFile))
    if (auto parsed = parse_json(*result, kResultFile); parsed && parsed->is_object())
      out.result = std::move(*parsed);
  out.paused = exists_at(dir.get(), kPausedFile);
  const bool lives = out.record.workload && is_alive(*out.record.workload);
  const bool watched = out.record.observer && is_alive(*out.record.observer);
  // A job that was let go of for good (ffrtmp detach) is over, though its process lives.
  const bool released = out.result && out.record.mode == "attach" &&
                        text_or(*out.result, "outcome") == outcome_name(Outcome::detached);
  out.state = out.result && (!lives || released) ? JobState::ended
              : lives && watched                 ? JobState::running
              : lives                            ? JobState::unobserved
              : !out.record.workload && watched  ? JobState::starting
              : watched ? JobState::running  // it has just ended and its observer is about to say so
                        : JobState::lost;
  return out;
}

}  // namespace

Json read_job_report(int job_folder) {
  constexpr size_t kLargest = 16 << 20;
  const auto text = read_file_at(job_folder, kReportFile, kLargest);
  auto json = text ? parse_json(*text, kReportFile) : bad_input("", "");
  return json && json->is_object() ? *std::move(json) : Json(nullptr);
}

std::string_view job_state_name(JobState state) {
  switch (state) {
    case JobState::starting: return "starting";
    case JobState::running: return "running";
    case JobState::unobserved: return "unobserved";
    case JobState::ended: return "ended";
    case JobState::lost: return "lost";
  }
  return "";
}

std::string_view job_state_text(const StoredJob& job) {
  const bool over = is_over(job.state);
  return job.paused && !over ? "paused" : job_state_name(job.state);
}

Result<Record> JobFolder::read_record() const {
  TRY(const std::string text, read_file_at(dir(), kRecordFile));
  TRY(const Json json, parse_json(text, path_ + "/" + kRecordFile));
  return record_from_json(json);
}

Result<Fd> JobFolder::lock() const {
  TRY(Fd own, open_dir(dir(), "."));  // a description of its own: a lock belongs to one
  if (::flock(own.get(), LOCK_EX | LOCK_NB) != 0)
    return sys_error("changing job", path_.substr(path_.rfind('/') + 1), errno,
                     "another ffrtmp does so right now");
  return own;
}

namespace {

JobFolder::Stamp stamp_of(int dir, const std::string& path) {
  struct stat info {};
  if (::fstatat(dir, path.c_str(), &info, 0) != 0) return {};
  return {info.st_ino, info.st_mtim.tv_sec * 1'000'000'000ll + info.st_mtim.tv_nsec};
}

}  // namespace

void JobFolder::take_changes(Record& record) const {
  if (stamp_of(dir(), kRecordFile) == written_) return;
  if (auto now = read_record()) record.receipt = std::move(now->receipt);
}

Status JobFolder::write_record(const Record& record) const {
  TRY_OK(write_atomic(dir(), kRecordFile, dump_json(to_json(record), 1) + "\n"));
  written_ = stamp_of(dir(), kRecordFile);
  return {};
}
Status JobFolder::rewrite_record(Record& record) const {
  take_changes(record);
  return write_record(record);
}
Status JobFolder::write_result(const Json& result) const {
  return write_atomic(dir(), kResultFile, dump_json(result, 1) + "\n");
}

std::string JobStore::default_path() {
  const auto absolute = [](const char* value) { return value && value[0] == '/'; };
  if (const char* own = ::getenv("FFRTMP_STATE_DIR"); own && *own) return own;
  const uid_t uid = ::geteuid();
  if (uid == 0) return "/run/ffrtmp";
  if (const char* runtime = ::getenv("XDG_RUNTIME_DIR"); absolute(runtime))
    return std::string(runtime) + "/ffrtmp";
  const std::string usual = "/run/user/" + std::to_string(uid);
  if (::access(usual.c_str(), W_OK) == 0) return usual + "/ffrtmp";
  return "/tmp/ffrtmp-" + std::to_string(uid);
}

Result<JobStore> JobStore::open() { return open_at_path(default_path(), true); }
Result<JobStore> JobStore::open_existing() { return open_at_path(default_path(), false); }

Result<JobStore> JobStore::open_at_path(const std::string& path, bool make) {
  if (!path.starts_with("/")) return bad_input("FFRTMP_STATE_DIR is not an absolute path:", path);
  auto dir = open_at(AT_FDCWD, path, O_RDONLY | O_DIRECTORY | O_NOFOLLOW);
  if (!dir && dir.error().errnum == ENOENT && make) {
    TRY_OK(make_dirs(path, 0700));
    dir = open_at(AT_FDCWD, path, O_RDONLY | O_DIRECTORY | O_NOFOLLOW);
  }
  if (!dir) return sys_error("opening the state folder", path, dir.error().errnum);
  // In /tmp somebody else might have made it first, to read our jobs or lead us astray.
  struct stat info {};
  if (::fstat(dir->get(), &info) != 0) return sys_error("looking at the state folder", path);
  if (info.st_uid != ::geteuid()) return sys_error("the state folder belongs to another user:", path, EPERM);
  auto jobs = open_dir(dir->get(), kJobs);
  if (!jobs && jobs.error().errnum == ENOENT && make) {
    if (::mkdirat(dir->get(), kJobs, 0700) != 0 && errno != EEXIST)
      return sys_error("making the state folder", path + "/" + kJobs);
    jobs = open_dir(dir->get(), kJobs);
  }
  if (!jobs) return sys_error("opening the state folder", path + "/" + kJobs, jobs.error().errnum);
  if (make && ::faccessat(jobs->get(), ".", W_OK, AT_EACCESS) != 0)
    return sys_error("writing to the state folder", path);
  return JobStore(path, std::move(*dir), std::move(*jobs));
}

Result<JobFolder> JobStore::claim(const Record& record) const {
  // Made aside with its record in it and renamed into place: nobody ever sees a job without a record.
  const std::string& id = record.job_id;
  const std::string fresh = ".new-" + std::to_string(::getpid()) + "-" + id;
  const std::string shown = path_ + "/" + kJobs + "/" + id;
  if (::mkdirat(jobs_.get(), fresh.c_str(), 0700) != 0) return sys_error("making folder", shown);
  auto dir = open_dir(jobs_.get(), fresh);
  const auto give_up = [&](Error error) {
    (void)remove_flat_dir(jobs_.get(), fresh);
    return std::unexpected(std::move(error));
  };
  if (!dir) return give_up(dir.error());
  JobFolder folder(shown, std::move(*dir));
  if (auto written = folder.write_record(record); !written) return give_up(written.error());
  const auto take = [&] {
    return ::renameat2(jobs_.get(), fresh.c_str(), jobs_.get(), id.c_str(), RENAME_NOREPLACE) == 0;
  };
  if (take()) return folder;
  if (errno != EEXIST) return give_up(sys_error("making folder", shown).error());

  // Somebody has the name. Only the holder of the lock may judge that it is over and take it away.
  const auto lock = lock_exclusively(dir_.get());
  if (!lock) return give_up(lock.error());
  const auto old = load(jobs_.get(), path_, id);
  if (old && !is_over(old->state))
    return give_up({"a job with this id is " + std::string(job_state_name(old->state)) + ":", id, 0,
                    "choose another --job-id, or see ffrtmp status " + id, ExitCode::ours});
  const std::string aside = ".old-" + std::to_string(::getpid()) + "-" + id;
  ::renameat(jobs_.get(), id.c_str(), jobs_.get(), aside.c_str());
  (void)remove_flat_dir(jobs_.get(), aside);
  if (!take()) return give_up(sys_error("making folder", shown).error());
  return folder;
}

Result<JobFolder> JobStore::open_folder(const std::string& job_id) const {
  TRY_OK(check_job_id(job_id));
  TRY(Fd dir, open_dir(jobs_.get(), job_id));
  return JobFolder(path_ + "/" + kJobs + "/" + job_id, std::move(dir));
}

Result<Fd> JobStore::lock_adoption() const { return lock_exclusively(dir_.get(), kAdoptionLock); }

Result<Fd> JobStore::lock_watch() const {
  TRY(Fd fd, open_at(dir_.get(), kWatchLock, O_RDWR | O_CREAT, 0600));
  if (::flock(fd.get(), LOCK_EX | LOCK_NB) != 0)
    return bad_input("another ffrtmp watch runs with this state folder:", path_,
                     "reload that one (SIGHUP), or give this one another FFRTMP_STATE_DIR");
  return fd;
}

Result<StoredJob> JobStore::find(const std::string& job_id) const {
  TRY_OK(check_job_id(job_id));
  auto found = load(jobs_.get(), path_, job_id);
  if (!found && found.error().errnum == ENOENT)
    return bad_input("no such job:", job_id, "see ffrtmp ps --all");
  return found;
}

std::vector<StoredJob> JobStore::list() const {
  std::vector<StoredJob> out;
  for (const auto& name : names_in(jobs_.get()))
    if (name[0] != '.')
      if (auto job = load(jobs_.get(), path_, name)) out.push_back(std::move(*job));
  std::ranges::stable_sort(out, {}, [](const StoredJob& job) { return job.record.started_at; });
  return out;
}

std::vector<Holding> JobStore::holdings() const {
  std::map<std::string, Seen> now;
  std::vector<Holding> out;
  for (const auto& name : names_in(jobs_.get())) {
    if (name[0] == '.') continue;
    Seen seen;
    // The stamps come first: what changes after them is read, and read again next time.
    seen.record = stamp_of(jobs_.get(), name + "/" + kRecordFile);
    seen.result = stamp_of(jobs_.get(), name + "/" + kResultFile);
    if (const auto known = seen_.find(name);
        known != seen_.end() && known->second.record == seen.record && known->second.result == seen.result) {
      seen = std::move(known->second);
    } else {
      auto job = load(jobs_.get(), path_, name);
      if (!job) continue;
      seen.over = is_over(job->state);
      if (!seen.over)
        seen.holding = {name, std::move(job->record.mode), std::move(job->record.workload),
                        std::move(job->record.observer)};
    }
    if (!seen.over) out.push_back(seen.holding);
    now.emplace(name, std::move(seen));
  }
  seen_ = std::move(now);
  return out;
}

Status JobStore::forget(const std::string& job_id) const {
  TRY_OK(check_job_id(job_id));
  return remove_flat_dir(jobs_.get(), job_id);
}

unsigned JobStore::next_number() const {
  const auto fd = open_at(dir_.get(), kCounter, O_RDWR | O_CREAT, 0600);
  if (!fd) return 0;
  // Two at once may draw the same number; that costs balance, not correctness.
  unsigned number = 0;
  (void)!::pread(fd->get(), &number, sizeof number, 0);
  const unsigned next = number + 1;
  (void)!::pwrite(fd->get(), &next, sizeof next, 0);
  return number;
}

void JobStore::sweep(const std::string& except) const {
  struct stat swept {};
  const int64_t now = wall_now().ns;
  if (::fstatat(dir_.get(), kSwept, &swept, 0) == 0 &&
      now - swept.st_mtim.tv_sec * 1'000'000'000ll < kSweepEveryNs)
    return;
  const auto stamp = open_at(dir_.get(), kSwept, O_WRONLY | O_CREAT, 0600);
  if (!stamp || ::futimens(stamp->get(), nullptr) != 0) return;
  const auto lock = lock_exclusively(dir_.get());
  if (!lock) return;

  const Host host = probe_host();
  std::vector<std::pair<WallTime, std::string>> over;  // {when it ended, id}
  for (auto& job : list()) {
    const std::string& id = job.record.job_id;
    if (id == except || !is_over(job.state)) continue;
    Leaf leaf = leaf_of(host, job.record);
    if (!leaf.populated()) (void)leaf.remove();
    if (job.record.mode == "attach" && job.record.boot_id == boot_id())
      if (const auto folder = open_folder(id)) clear_away(host, *folder);
    if (job.state == JobState::lost && !job.record.keep) {
      (void)forget(id);
      continue;
    }
    if (job.state == JobState::lost) {
      auto dir = open_dir(jobs_.get(), id);
      if (!dir) continue;
      job.result = lost_result(job.record);
      if (!JobFolder(job.folder, std::move(*dir)).write_result(*job.result)) continue;
    }
    const WallTime ended = parse_rfc3339(text_or(*job.result, "ended_at"));
    if (now - ended.ns > kKeepNs)
      (void)forget(id);
    else
      over.emplace_back(ended, id);
  }
  std::ranges::sort(over);
  for (size_t i = 0; i + kKeepCount < over.size(); i++) (void)forget(over[i].second);
  remove_stale_leaves(host);
  // What a claim that was killed half way left behind.
  for (const auto& name : names_in(jobs_.get())) {
    struct stat info {};
    if (name[0] == '.' && ::fstatat(jobs_.get(), name.c_str(), &info, 0) == 0 &&
        now - info.st_mtim.tv_sec * 1'000'000'000ll > kSweepEveryNs)
      (void)remove_flat_dir(jobs_.get(), name);
  }
}

}  // namespace ffrtmp
