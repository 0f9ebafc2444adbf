#include <fcntl.h>
#include <poll.h>
#include <sys/inotify.h>
#include <unistd.h>

#include <algorithm>

#include "jobs/job_store.h"
#include "jobs/tail.h"
#include "print.h"
#include "sys/file.h"
#include "sys/redact.h"
#include "sys/text.h"
#include "verb.h"

namespace ffrtmp {

namespace {

/// Prints what the log holds from `at` on, by whole lines unless `flush`; returns where it got to.
class LogPrinter {
 public:
  LogPrinter(int fd, bool secrets) : fd_(fd), secrets_(secrets) {}

  void start_at_last_lines(size_t count) {
    const off_t size = ::lseek(fd_, 0, SEEK_END);
    off_t at = size;
    size_t found = 0;
    char block[4096];
    while (at > 0) {
      const off_t from = std::max<off_t>(0, at - static_cast<off_t>(sizeof block));
      const ssize_t got = ::pread(fd_, block, static_cast<size_t>(at - from), from);
      if (got <= 0) break;
      for (ssize_t i = got - 1; i >= 0; i--)
        if (block[i] == '\n' && from + i != size - 1 && ++found == count) {
          at_ = from + i + 1;
          return;
        }
      at = from;
    }
  }

  bool print(bool flush) {
    const off_t data = ::lseek(fd_, at_, SEEK_DATA);  // what was punched out reads as zeros
    if (data > at_) at_ = data;
    char block[65536];
    ssize_t got;
    while ((got = ::pread(fd_, block, sizeof block, at_)) > 0) {
      at_ += got;
      pending_.append(block, static_cast<size_t>(got));
      std::erase(pending_, '\0');
      const size_t end = pending_.find_last_of("\n\r");
      if (end == std::string::npos) continue;
      if (!show(pending_.substr(0, end + 1))) return false;
      pending_.erase(0, end + 1);
    }
    if (flush && !pending_.empty()) return show(std::exchange(pending_, ""));
    return true;
  }

 private:
  bool show(const std::string& text) const { return print_out(secrets_ ? text : redact_text(text)) == 0; }
  int fd_;
  bool secrets_;
  off_t at_ = 0;
  std::string pending_;
};

Result<int> logs_verb(const Arguments& arguments) {
  TRY(const std::string id, one_job(arguments));
  TRY(const JobStore store, JobStore::open_existing());
  TRY(StoredJob job, store.find(id));
  if (job.record.log_path.empty())
    return bad_input(
        "no log is kept of this job:", id,
        "its output went where its caller's went, or to the journal (journalctl -t ffrtmp-" + id + ")");
  TRY(const Fd fd, open_at(AT_FDCWD, job.record.log_path, O_RDONLY));
  LogPrinter printer(fd.get(), arguments.has("show-secrets"));
  if (arguments.has("lines")) {
    const auto count = parse_u64(arguments.value("lines"));
    if (!count || *count == 0)
      return bad_input("--lines:", "\"" + arguments.value("lines") + "\"", "give a number of lines");
    printer.start_at_last_lines(*count);
  }
  if (!arguments.has("follow")) return printer.print(true) ? 0 : static_cast<int>(ExitCode::ours);

  const Fd watch(::inotify_init1(IN_CLOEXEC));
  ::inotify_add_watch(watch.get(), job.record.log_path.c_str(), IN_MODIFY);
  std::optional<ProcessRef> workload;
  if (job.record.workload)
    if (auto opened = ProcessRef::open(*job.record.workload)) workload = std::move(*opened);
  for (;;) {
    const bool over = !workload || !workload->alive();
    if (!printer.print(over)) return static_cast<int>(ExitCode::ours);
    if (over) return 0;
    pollfd waiting[2] = {{watch.get(), POLLIN, 0}, {workload->pidfd(), POLLIN, 0}};
    if (::poll(waiting, 2, -1) < 0 && errno != EINTR) return sys_error("following", job.record.log_path);
    char events[4096];
    if (waiting[0].revents & POLLIN) (void)!::read(watch.get(), events, sizeof events);
  }
}

}  // namespace

const Verb kLogsVerb = {
    "logs",
    "JOB [-f]",
    "Print what a job wrote to its log.",
    {{"follow", 'f', nullptr, "go on until the job ends"},
     {"lines", 'n', "N", "only the last N lines"},
     {"show-secrets", 0, nullptr, "do not hide stream keys and passwords"}},
    "",
    logs_verb,
};

}  // namespace ffrtmp
