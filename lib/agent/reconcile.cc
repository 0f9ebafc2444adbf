// What an agent finds when it starts: attempts that it knows and those that it does not, each running, with a
// result, or gone.
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <filesystem>

#include "agent/agent.h"
#include "agent/log.h"
#include "sys/file.h"

namespace ffrtmp::agent {

namespace fs = std::filesystem;

void Agent::reconcile() {
  for (auto& attempt : state_->attempts()) {
    auto job = std::make_shared<Job>();
    job->attempt = std::move(attempt);
    job->folder = folder_of(job->attempt);
    jobs_[job->attempt.key()] = std::move(job);
  }
  recover_unknown_folders();
  outbox_ = state_->outbox();
  const auto all = jobs_;  // advance() may take some out
  for (const auto& [key, job] : all) {
    if (job->attempt.step >= Step::launching && job->attempt.step < Step::ended) {
      counters_.adopted++;
      log(Level::info, "taken up again",
          {{"job", job->attempt.job},
           {"attempt", std::to_string(job->attempt.number)},
           {"step", std::string(step_name(job->attempt.step))}});
    }
    if (job->attempt.step == Step::launching)
      resume_launch(job);
    else
      advance(job);
  }
}

/// Folders of attempts that the database does not know: it was set aside or removed. Each has the attempt's
/// own description in it; what became of it is looked up like that of any other.
void Agent::recover_unknown_folders() {
  std::vector<Attempt> found;
  const auto dir = open_dir(AT_FDCWD, options_.work_dir);
  if (!dir) return;
  for (const auto& name : folders_in(dir->get())) {
    const std::string folder = options_.work_dir + "/" + name;
    const auto text = read_file(folder + "/" + kAttemptName, 4 << 20);
    const auto json = text ? parse_json(*text, folder) : Result<Json>(Json());
    Attempt attempt = json ? attempt_from_json(*json) : Attempt{};
    if (attempt.run_id == name && jobs_.contains(attempt.key())) continue;
    if (attempt.job.empty() || attempt.run_id != name) {
      // Ours by its name, and nothing in it: a grant that was never written down whole.
      std::error_code ignored;
      if (name.starts_with("a-") && !text) fs::remove_all(folder, ignored);
      continue;
    }
    const Sight sight = look(host_, attempt, folder);
    if (sight.kind == Sight::Kind::nothing) {
      // It may have been accepted or not, launched or not: the request's file tells whether it can have
      // begun.
      attempt.step =
          ::access((folder + "/" + kRequestName).c_str(), F_OK) == 0 ? Step::launching : Step::granted;
    } else {
      attempt.step = Step::running;
      attempt.boot_id = sight.job ? sight.job->record.boot_id : "";
    }
    log(Level::warning, "an attempt that the state does not know",
        {{"job", attempt.job},
         {"attempt", std::to_string(attempt.number)},
         {"step", std::string(step_name(attempt.step))}});
    found.push_back(std::move(attempt));
  }
  if (found.empty()) return;
  if (const auto added = state_->add(found, ""); !added)
    log(Level::error, "not taken up", {{"error", added.error().message()}});
  for (auto& attempt : found) {
    auto job = std::make_shared<Job>();
    job->folder = folder_of(attempt);
    job->attempt = std::move(attempt);
    jobs_[job->attempt.key()] = std::move(job);
  }
}

/// An earlier agent had told ffrtmp to launch it, or was about to. Whether ffrtmp does so at this moment is
/// told by the lock on the request; whether it has, by the recorder's files. Only when neither, and the
/// request is taken back, may it be launched again.
void Agent::resume_launch(const JobPtr& job) {
  if (!take_request_back(job->folder)) {
    loop_->after(std::chrono::milliseconds(500), [this, job] { resume_launch(job); });
    return;
  }
  const Sight sight = look(host_, job->attempt, job->folder);
  const bool same_boot = job->attempt.boot_id.empty() || job->attempt.boot_id == boot_id();
  if (sight.kind == Sight::Kind::nothing && !same_boot)
    return finish(job, judge_vanished(job->attempt, true));
  if (move_to(job, sight.kind == Sight::Kind::nothing ? Step::accepted : Step::running)) advance(job);
}

}  // namespace ffrtmp::agent
