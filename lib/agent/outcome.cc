#include "agent/outcome.h"

#include "jobs/result.h"
#include "sys/redact.h"
#include "sys/text.h"
#include "types/execute.h"

namespace ffrtmp::agent {

namespace {

constexpr size_t kLongestReason = 1500;

std::string reason_text(const std::string& reason) {
  return printable(redact_text(reason.substr(0, kLongestReason)));
}

/// Which class a failed result is of. What a second try elsewhere may cure, and what it may not.
std::string class_of(const Json& result) {
  const std::string outcome = text_or(result, "outcome"), killer = text_or(result, "killer");
  if (outcome == outcome_name(ffrtmp::Outcome::timed_out)) return "deadline";
  if (outcome == outcome_name(ffrtmp::Outcome::oom_killed))
    return killer == "own limit" ? "resource" : "node";
  if (outcome == outcome_name(ffrtmp::Outcome::lost)) return "node";
  if (whole_or(at_or_null(result, "job"), "stalls", 0) > 0) return "stall";
  if (outcome == outcome_name(ffrtmp::Outcome::signaled)) return killer == "operator" ? "node" : "unknown";
  const uint64_t code = whole_or(result, "exit_code", 0);
  if (code == 126 || code == 127) return "capability";
  return "unknown";
}

/// Nobody saw the exit code, but the job's own report says that its outputs were verified and shown: they
/// are.
bool reported_success(const Json& result) {
  const Json& job = at_or_null(result, "job");
  return at_or_null(job, "reason").is_null() &&
         at_or_null(at_or_null(job, "verification"), "passed") == Json(true);
}

}  // namespace

Json without_secrets(const Json& json) {
  if (json.is_string()) return redact_text(json.get<std::string>());
  if (!json.is_structured()) return json;
  Json out = json;
  if (json.is_array()) {
    for (Json& item : out) item = without_secrets(item);
    return out;
  }
  for (auto& [key, value] : out.items()) {
    const bool secret = value.is_string() && redact(key + "=" + value.get<std::string>()) == key + "=***";
    value = secret ? Json("***") : without_secrets(value);
  }
  return out;
}

Outcome cancelled(const Attempt& attempt, const Json& result) {
  const std::string why = attempt.wish_reason.empty() ? "cancelled" : attempt.wish_reason;
  return {"cancelled", "cancelled", reason_text(why), without_secrets(result), Json::array()};
}

Outcome judge_result(const Attempt& attempt, const Json& result) {
  if (attempt.wish == Wish::cancel) return cancelled(attempt, result);
  const bool exited = text_or(result, "outcome") == outcome_name(ffrtmp::Outcome::exited);
  const bool good = exited && at_or_null(result, "exit_code") == Json(0);
  const bool lost = text_or(result, "outcome") == outcome_name(ffrtmp::Outcome::lost);
  if (good || (lost && reported_success(result)))
    return {"succeeded", "", "", without_secrets(result), at_or_null(at_or_null(result, "job"), "outputs")};
  std::string reason = text_or(at_or_null(result, "job"), "reason");
  if (reason.empty()) reason = text_or(result, "reason", "it failed and nobody knows why");
  return {"failed", class_of(result), reason_text(reason), without_secrets(result), Json::array()};
}

Outcome judge_refused_launch(const Attempt& attempt, int exit_code, const std::string& complaint) {
  if (attempt.wish == Wish::cancel) return cancelled(attempt, Json::object());
  std::string text(trim(complaint));
  if (const size_t line = text.rfind('\n'); line != std::string::npos) text.erase(0, line + 1);
  if (text.starts_with("ffrtmp: ")) text.erase(0, 8);
  const auto has = [&](std::string_view words) { return text.find(words) != std::string::npos; };
  // ffrtmp's lines begin with what they are about; a test holds these to it.
  const char* failure_class = exit_code == 126 || exit_code == 127 ? "capability"
                              : text.starts_with("input ")         ? "input"
                              : has("encoder") || has("no such program") || has("no such job type")
                                  ? "capability"
                              : has("No space left") || has("cgroup") || has("state folder") ? "node"
                              : exit_code != 125                                             ? "node"
                                                                                             : "parameters";
  if (text.empty()) text = "ffrtmp ended with exit code " + std::to_string(exit_code);
  return {"failed", failure_class, reason_text(text), Json::object(), Json::array()};
}

Outcome judge_vanished(const Attempt& attempt, bool rebooted) {
  if (attempt.wish == Wish::cancel) return cancelled(attempt, Json::object());
  return {"failed", "node",
          rebooted ? "the node was restarted while it ran"
                   : "its recorder and its record are gone; nobody saw its end",
          Json::object(), Json::array()};
}

Outcome judge_refusal(const Attempt& attempt, const Refusal& refusal) {
  if (attempt.wish == Wish::cancel) return cancelled(attempt, Json::object());
  return {"failed", refusal.failure_class, reason_text(refusal.reason), Json::object(), Json::array()};
}

Json result_body(const Attempt& attempt, const Outcome& outcome, size_t most) {
  Json body = {{"job", attempt.job}, {"attempt", attempt.number}, {"outcome", outcome.outcome}};
  if (!outcome.failure_class.empty()) body["class"] = outcome.failure_class;
  if (!outcome.reason.empty()) body["reason"] = outcome.reason;
  if (outcome.result.empty()) return body;
  Json result = outcome.result;
  // A thumbnail job of thousands of pictures has a long account; what is least missed goes first.
  for (const char* part : {"", "log_tail", "command", "notes", "job"}) {
    if (*part != '\0') result.erase(part);
    if (dump_json(result).size() <= most) {
      body["result"] = std::move(result);
      break;
    }
  }
  return body;
}

std::vector<OutboxItem> outbox_items(const Attempt& attempt, const Outcome& outcome,
                                     const std::string& folder, bool short_of_room) {
  std::vector<OutboxItem> out;
  const auto add = [&](const char* kind, Json body) {
    out.push_back({0, attempt.job, attempt.number, kind, std::move(body)});
  };
  if (!short_of_room) add("log", Json::object());
  Json body = short_of_room ? result_body(attempt, outcome, 0) : result_body(attempt, outcome);
  const std::string ours = folder + "/" + kOutFolder + "/", puts = folder + "/" + kPutFolder + "/";
  if (outcome.outcome == "succeeded" && outcome.outputs.is_array()) {
    Json artifacts = Json::array();
    for (const Json& output : outcome.outputs) {
      const std::string path = text_or(output, "path"), sha256 = text_or(output, "sha256");
      const Json file = {{"path", path}, {"sha256", sha256}, {"size", whole_or(output, "bytes", 0)}};
      if (path.starts_with(ours)) {
        std::string name = path.substr(ours.size());
        for (size_t at = 0; (at = name.find('/', at)) != std::string::npos; at += 2)
          name.replace(at, 1, "__");
        Json one = file;
        one["name"] = name;
        add("artifact", one);
        artifacts.push_back({{"name", name}, {"size", file["size"]}, {"sha256", sha256}});
      } else if (path.starts_with(puts)) {
        Json one = file;
        const auto parts = split(std::string_view(path).substr(puts.size()), '/');
        one["output"] = parse_u64(parts[0]).value_or(0);
        add("put", one);
      }
    }
    // With more than the master takes in a list each is held to its digest as it arrives, and no more.
    constexpr size_t kMostListed = 10'000;
    if (!artifacts.empty() && artifacts.size() <= kMostListed) body["artifacts"] = artifacts;
  }
  add("result", std::move(body));
  return out;
}

}  // namespace ffrtmp::agent
