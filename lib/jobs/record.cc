#include "jobs/record.h"

#include <algorithm>

namespace ffrtmp {

namespace {
constexpr unsigned kSchema = 1;
}

Leaf leaf_of(const Host& host, const Record& record) {
  if (record.boot_id != boot_id()) return {};
  Leaf leaf = reopen_leaf(host, record.leaf_name, record.cgroups);
  leaf.ours = record.own_leaf;
  return leaf;
}

Json to_json(const ProcessIdentity& identity) {
  return {{"pid", identity.pid}, {"start_ticks", identity.start_ticks}, {"boot_id", identity.boot_id}};
}

std::optional<ProcessIdentity> identity_from_json(const Json& json) {
  const Json &pid = at_or_null(json, "pid"), &start = at_or_null(json, "start_ticks"),
             &boot = at_or_null(json, "boot_id");
  // Read wide: a number cut to 32 bits would name another process.
  if (!pid.is_number_integer() || !start.is_number_unsigned() || !boot.is_string()) return std::nullopt;
  if (pid.get<int64_t>() < 1 || pid.get<int64_t>() > INT32_MAX) return std::nullopt;
  return ProcessIdentity{pid.get<pid_t>(), start.get<uint64_t>(), boot.get<std::string>()};
}

Json to_json(const Record& record) {
  Json cgroups = Json::array();
  for (const auto& place : record.cgroups)
    cgroups.push_back({{"mount", place.mount_point}, {"path", place.path}, {"id", place.id}});
  return {{"schema", kSchema},
          {"job_id", record.job_id},
          {"mode", record.mode},
          {"rule", record.rule.empty() ? Json(nullptr) : Json(record.rule)},
          {"job_type", record.job_type.empty() ? Json(nullptr) : Json(record.job_type)},
          {"restarts", record.restarts},
          {"restarts_itself", record.restarts_itself},
          {"stalled_since", record.stalled_since ? Json(rfc3339(*record.stalled_since)) : Json(nullptr)},
          {"command", record.command},
          {"workdir", record.workdir},
          {"boot_id", record.boot_id},
          {"started_at", rfc3339(record.started_at)},
          {"workload", record.workload ? to_json(*record.workload) : Json(nullptr)},
          {"observer", record.observer ? to_json(*record.observer) : Json(nullptr)},
          {"detached", record.detached},
          {"keep", record.keep},
          {"log", record.log_path},
          {"progress", record.progress_path},
          {"timeout_s", record.timeout_s ? Json(*record.timeout_s) : Json(nullptr)},
          {"media_s", or_null(record.media_s)},
          {"leaf", record.leaf_name},
          {"own_leaf", record.own_leaf},
          {"cgroups", cgroups},
          {"receipt", to_json(record.receipt)}};
}

Result<Record> record_from_json(const Json& json) {
  const auto wrong = [](const char* what) { return bad_input("not a job record:", what); };
  if (!json.is_object()) return wrong("not an object");
  try {  // nlohmann reports wrong types of present keys by exception; none leaves this function
    if (whole_or(json, "schema", 0) != kSchema) return wrong("unknown schema");
    Record out;
    out.job_id = json.value("job_id", "");
    out.mode = json.value("mode", "run");
    out.job_type = text_or(json, "job_type");
    out.rule = text_or(json, "rule");
    if (const Json& restarts = at_or_null(json, "restarts"); restarts.is_number_unsigned())
      out.restarts = static_cast<unsigned>(std::min<uint64_t>(restarts.get<uint64_t>(), UINT32_MAX));
    out.restarts_itself = json.value("restarts_itself", false);
    if (const std::string since = text_or(json, "stalled_since"); !since.empty())
      out.stalled_since = parse_rfc3339(since);
    out.command = json.value("command", std::vector<std::string>{});
    out.workdir = json.value("workdir", "");
    out.boot_id = json.value("boot_id", "");
    out.started_at = parse_rfc3339(json.value("started_at", ""));
    out.workload = identity_from_json(json.value("workload", Json()));
    out.observer = identity_from_json(json.value("observer", Json()));
    out.detached = json.value("detached", false);
    out.keep = json.value("keep", true);
    out.log_path = json.value("log", "");
    out.progress_path = json.value("progress", "");
    if (json.contains("timeout_s") && json["timeout_s"].is_number())
      out.timeout_s = json["timeout_s"].get<double>();
    if (const Json& media = at_or_null(json, "media_s"); media.is_number()) out.media_s = media.get<double>();
    out.leaf_name = json.value("leaf", "");
    out.own_leaf = json.value("own_leaf", true);
    for (const auto& item : json.value("cgroups", Json::array()))
      out.cgroups.push_back({item.value("mount", ""), item.value("path", ""), whole_or(item, "id", 0)});
    out.receipt = receipt_from_json(json.value("receipt", Json()));
    if (out.job_id.empty()) return wrong("no job id");
    return out;
  } catch (const Json::exception& error) {
    return wrong(error.what());
  }
}

}  // namespace ffrtmp
