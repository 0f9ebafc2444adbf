#include "agent/observe.h"

#include <algorithm>

#include "agent/prepare.h"
#include "jobs/live.h"
#include "jobs/media.h"
#include "sys/file.h"

namespace ffrtmp::agent {

namespace {

std::optional<Json> own_copy_of_result(const std::string& folder) {
  const auto text = read_file(folder + "/" + kResultName, 64 << 20);
  if (!text) return std::nullopt;
  auto json = parse_json(*text, kResultName);
  return json && json->is_object() ? std::optional(std::move(*json)) : std::nullopt;
}

}  // namespace

Sight look(const Host& host, const Attempt& attempt, const std::string& folder) {
  Sight out;
  const auto store = JobStore::open_existing();
  for (int round = 0; round < 2; round++) {
    auto found = store ? store->find(attempt.run_id) : Result<StoredJob>(std::unexpected(store.error()));
    if (found && !is_over(found->state)) {
      out.kind = found->state == JobState::starting ? Sight::Kind::starting : Sight::Kind::alive;
      out.wait_for = found->state == JobState::unobserved ? found->record.workload : found->record.observer;
      out.job = std::move(*found);
      return out;
    }
    // The recorder wrote it there for us: it outlives the boot, and the store's own sweeping.
    if (auto result = own_copy_of_result(folder)) {
      out.kind = Sight::Kind::ended;
      out.result = std::move(*result);
      return out;
    }
    if (!found) return out;
    if (found->result) {
      out.kind = Sight::Kind::ended;
      out.result = *found->result;
      out.job = std::move(*found);
      return out;
    }
    // Lost: its recorder was killed, and its workload has ended since. What can be told is written down.
    if (found->record.boot_id != boot_id() || !settle_unobserved(host, *found, std::nullopt)) return out;
  }
  return out;
}

Json progress_of(const Host& host, const StoredJob& job) {
  Json out = Json::object();
  const auto set = [&](const char* name, const auto& value) {
    if (value) out[name] = *value;
  };
  const auto media =
      job.record.progress_path.empty() ? std::nullopt : read_progress(job.record.progress_path);
  if (media) {
    set("frames", media->frames);
    set("fps", media->fps);
    set("speed", media->speed);
    set("out_time_s", media->out_time_s);
    set("bitrate_bps", media->bitrate_bps);
    set("dropped", media->dropped);
    set("duplicated", media->duplicated);
    if (media->out_time_s && job.record.media_s && *job.record.media_s > 0) {
      out["percent"] = std::clamp(*media->out_time_s / *job.record.media_s * 100, 0.0, 100.0);
      if (media->speed && *media->speed > 0.001)
        out["eta_s"] = std::max(0.0, *job.record.media_s - *media->out_time_s) / *media->speed;
    }
  }
  const Usage usage = live_usage(host, job);
  if (usage.cpu_user_s && usage.cpu_system_s) out["cpu_s"] = *usage.cpu_user_s + *usage.cpu_system_s;
  set("memory_bytes", usage.memory_bytes);
  set("throttled_s", usage.throttled_s);
  if (job.paused) out["paused"] = true;
  if (job.state == JobState::unobserved) out["unobserved"] = true;
  return out;
}

int64_t mark_of(const Json& progress) {
  if (const Json& time = at_or_null(progress, "out_time_s"); time.is_number())
    return static_cast<int64_t>(std::clamp(time.get<double>(), 0.0, 1e12) * 1000);
  if (const Json& frames = at_or_null(progress, "frames"); frames.is_number_unsigned())
    return static_cast<int64_t>(std::min<uint64_t>(frames.get<uint64_t>(), INT64_MAX));
  return -1;
}

void forget_run(const std::string& run_id) {
  if (const auto store = JobStore::open_existing())
    if (const auto job = store->find(run_id); job && is_over(job->state)) (void)store->forget(run_id);
}

}  // namespace ffrtmp::agent
