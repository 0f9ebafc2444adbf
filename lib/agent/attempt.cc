#include "agent/attempt.h"

#include <algorithm>
#include <array>

#include "jobs/job_id.h"
#include "net/digest.h"

namespace ffrtmp::agent {

namespace {
constexpr std::array<std::string_view, 6> kSteps = {"granted",   "accepted", "ready",
                                                    "launching", "running",  "ended"};
constexpr std::array<std::string_view, 4> kWishes = {"run", "pause", "cancel", "drop"};

template <class Enum, size_t N>
Enum named(const std::array<std::string_view, N>& names, std::string_view name) {
  const auto found = std::ranges::find(names, name);
  return static_cast<Enum>(found == names.end() ? 0 : found - names.begin());
}
}  // namespace

std::string_view step_name(Step step) { return kSteps[static_cast<size_t>(step)]; }
Step step_named(std::string_view name) { return named<Step>(kSteps, name); }
std::string_view wish_name(Wish wish) { return kWishes[static_cast<size_t>(wish)]; }
Wish wish_named(std::string_view name) { return named<Wish>(kWishes, name); }

std::string run_id_of(const std::string& job, int64_t number) {
  const std::string plain = "a-" + job + "-" + std::to_string(number);
  if (check_job_id(plain)) return plain;
  return "a-" + net::sha256_hex(job).substr(0, 40) + "-" + std::to_string(number);
}

Json to_json(const Attempt& attempt) {
  return {{"schema", 1},
          {"job", attempt.job},
          {"attempt", attempt.number},
          {"run_id", attempt.run_id},
          {"queue", attempt.queue},
          {"priority", attempt.priority},
          {"granted_at", attempt.granted_at},
          {"spec", attempt.spec}};
}

Attempt attempt_from_json(const Json& json) {
  Attempt out;
  out.number = static_cast<int64_t>(whole_or(json, "attempt", 0));
  out.run_id = text_or(json, "run_id");
  out.queue = text_or(json, "queue", "default");
  out.priority = text_or(json, "priority", "medium");
  out.granted_at = static_cast<int64_t>(whole_or(json, "granted_at", 0));
  out.spec = at_or_null(json, "spec");
  const std::string job = text_or(json, "job");
  if (out.number > 0 && out.spec.is_object() && out.run_id == run_id_of(job, out.number)) out.job = job;
  return out;
}

}  // namespace ffrtmp::agent
