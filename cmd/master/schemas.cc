#include "schemas.h"

namespace ffrtmp::master {

namespace {

// JSON Schema 2020-12, the dialect of OpenAPI 3.1. Requests are closed (additionalProperties false), as the
// server is: answers are open, so that a newer master may say more.
constexpr const char* kSchemas = R"json({
"Problem":{"type":"object","required":["type","title","status"],"properties":{"type":{"type":"string"},"title":{"type":"string"},
  "status":{"type":"integer"},"detail":{"type":"string"},"errors":{"type":"array","items":{"type":"object","required":["field","detail"],
  "properties":{"field":{"type":"string"},"detail":{"type":"string"}}}}}},
"Empty":{"type":"object"},
"Reason":{"type":"object","additionalProperties":false,"properties":{"reason":{"type":"string","maxLength":500}}},
"Needs":{"type":"object","additionalProperties":false,"properties":{"cores":{"type":"number","minimum":0},"memory_bytes":{"type":"integer","minimum":0},
  "disk_bytes":{"type":"integer","minimum":0},"encoder_sessions":{"type":"integer","minimum":0},"gpu":{"type":"boolean"},
  "encoders":{"type":"array","items":{"type":"string"}},"tools":{"type":"array","items":{"type":"string"}},
  "labels":{"type":"object","additionalProperties":{"type":"string"}},"spread":{"type":"string","description":"anti-affinity: no node runs two jobs of one group"},
  "node":{"type":"string"}}},
"InputFile":{"type":"object","additionalProperties":false,"required":["name","size","sha256"],"properties":{"name":{"type":"string"},"size":{"type":"integer"},
  "sha256":{"type":"string","pattern":"^[0-9a-f]{64}$"}}},
"JobSubmit":{"type":"object","additionalProperties":false,"required":["type"],"properties":{"type":{"type":"string"},"name":{"type":"string"},
  "tenant":{"type":"string"},"queue":{"enum":["live","default","batch"]},"priority":{"enum":["high","medium","low"]},"params":{"type":"object"},
  "input":{"type":"string"},"output":{"type":"string"},"outputs":{"type":"array","items":{"type":"string"}},
  "inputs":{"type":"array","items":{"$ref":"#/components/schemas/InputFile"}},"labels":{"type":"object","additionalProperties":{"type":"string"}},
  "limits":{"type":"object","additionalProperties":false,"properties":{"cpu":{"type":"string"},"memory":{"type":"string"},"cpu_weight":{"type":"integer"},"io_weight":{"type":"integer"},"pids":{"type":"integer"}}},
  "require":{"$ref":"#/components/schemas/Needs"},
  "offline":{"type":"object","additionalProperties":false,"properties":{"replace":{"enum":["after","never"]},"patience_s":{"type":"number"},"stop_locally_after_s":{"type":"number"},"on_return":{"enum":["first_valid_result","stop"]}}},
  "after":{"type":"array","items":{"type":"string"},"description":"ids of jobs that must succeed first; @0 is the first job of the same request"},
  "not_before":{"type":"string","format":"date-time"},"deadline":{"type":"string","format":"date-time","description":"fails unless a node has started it by then"},
  "run_timeout_s":{"type":"number"},"progress_timeout_s":{"type":"number"},"max_attempts":{"type":"integer","minimum":1,"maximum":100},
  "count":{"type":"integer","minimum":1,"maximum":10000,"description":"a job array"}}},
"Submit":{"oneOf":[{"$ref":"#/components/schemas/JobSubmit"},{"type":"object","additionalProperties":false,"required":["jobs"],
  "properties":{"jobs":{"type":"array","maxItems":1000,"items":{"$ref":"#/components/schemas/JobSubmit"}}}}]},
"JobPatch":{"type":"object","additionalProperties":false,"properties":{"queue":{"enum":["live","default","batch"]},"priority":{"enum":["high","medium","low"]}}},
"Job":{"type":"object","properties":{"id":{"type":"string"},"ids":{"type":"array","items":{"type":"string"}},"array":{"type":"string"},"type":{"type":"string"},
  "state":{"enum":["queued","offered","running","succeeded","failed","cancelled"]},"hold":{"enum":["paused","quarantined"]},"queue":{"type":"string"},"priority":{"type":"string"},
  "tenant":{"type":"string"},"attempt":{"type":"integer"},"failures":{"type":"integer"},"max_attempts":{"type":"integer"},"node":{"type":["string","null"]},
  "created_at":{"type":"string"},"started_at":{"type":["string","null"]},"ended_at":{"type":["string","null"]},"reason":{"type":"string"},"spec":{"type":"object"},"result":{"type":"object"},"progress":{"type":"object"}}},
"JobPage":{"type":"object","required":["jobs","next"],"properties":{"jobs":{"type":"array","items":{"$ref":"#/components/schemas/Job"}},"next":{"type":["string","null"]}}},
"Why":{"type":"object","required":["job","state","why"],"properties":{"job":{"type":"string"},"state":{"type":"string"},"why":{"type":"string"},"fleet":{"type":"object"}}},
"Attempts":{"type":"object","required":["attempts"],"properties":{"attempts":{"type":"array","items":{"type":"object"}}}},
"History":{"type":"object","required":["history"],"properties":{"history":{"type":"array","items":{"type":"object"}}}},
"LogOffset":{"type":"object","required":["next"],"properties":{"next":{"type":"integer"},"full":{"type":"boolean"}}},
"File":{"type":"object","required":["name","size","sha256","received","state"],"properties":{"name":{"type":"string"},"attempt":{"type":"integer"},"size":{"type":"integer"},"sha256":{"type":"string"},"received":{"type":"integer"},"state":{"enum":["expected","complete"]}}},
"Files":{"type":"object","required":["files"],"properties":{"files":{"type":"array","items":{"$ref":"#/components/schemas/File"}}}},
"Announce":{"type":"object","additionalProperties":false,"required":["size","sha256"],"properties":{"size":{"type":"integer"},"sha256":{"type":"string"}}},
"Capabilities":{"type":"object","additionalProperties":false,"properties":{"cores":{"type":"number"},"memory_bytes":{"type":"integer"},"disk_bytes":{"type":"integer"},"encoder_sessions":{"type":"integer"},
  "max_jobs":{"type":"integer"},"gpu":{"type":"boolean"},"encoders":{"type":"array","items":{"type":"string"}},"tools":{"type":"array","items":{"type":"string"}},"labels":{"type":"object","additionalProperties":{"type":"string"}},
  "types":{"type":"array","items":{"oneOf":[{"type":"string"},{"type":"object","additionalProperties":false,"required":["name"],"properties":{"name":{"type":"string"},"version":{"type":"string"},"params":{"type":"object"}}}]}}}},
"Register":{"type":"object","additionalProperties":false,"required":["capabilities"],"properties":{"name":{"type":"string"},"boot_id":{"type":"string"},"version":{"type":"string"},
  "nonce":{"type":"string","minLength":16,"description":"a repeated registration with the same nonce is the same node"},"capabilities":{"$ref":"#/components/schemas/Capabilities"}}},
"Registered":{"type":"object","required":["id","token"],"properties":{"id":{"type":"string"},"token":{"type":"string"},"heartbeat_ms":{"type":"integer"},"lease_ms":{"type":"integer"}}},
"Node":{"type":"object","required":["id","name","state"],"properties":{"id":{"type":"string"},"name":{"type":"string"},"state":{"enum":["online","offline","revoked"]},"cordoned":{"type":"boolean"},"draining":{"type":"boolean"},"note":{"type":"string"},"capabilities":{"type":"object"},"jobs":{"type":"array"}}},
"NodePage":{"type":"object","required":["nodes","next"],"properties":{"nodes":{"type":"array","items":{"$ref":"#/components/schemas/Node"}},"next":{"type":["string","null"]}}},
"BeatItem":{"type":"object","additionalProperties":false,"required":["job","attempt"],"properties":{"job":{"type":"string"},"attempt":{"type":"integer"},"progress":{"type":"object"},
  "mark":{"type":"integer","description":"must grow while the job advances: frames, or out_time in milliseconds"}}},
"Heartbeat":{"type":"object","additionalProperties":false,"required":["jobs"],"properties":{"boot_id":{"type":"string"},"session":{"type":"string","description":"made anew at each start of the agent"},
  "beat":{"type":"integer","description":"grows with every beat of a session"},"jobs":{"type":"array","items":{"$ref":"#/components/schemas/BeatItem"}}}},
"HeartbeatAnswer":{"type":"object","required":["heartbeat_ms","lease_ms","drain","commands"],"properties":{"heartbeat_ms":{"type":"integer"},"lease_ms":{"type":"integer"},"now":{"type":"string"},"drain":{"type":"boolean"},"cordoned":{"type":"boolean"},"stale":{"type":"boolean"},
  "commands":{"type":"array","items":{"type":"object","required":["job","attempt","action"],"properties":{"job":{"type":"string"},"attempt":{"type":"integer"},"action":{"enum":["run","pause","cancel","stop"]},"reason":{"type":"string"}}}}}},
"Free":{"type":"object","additionalProperties":false,"properties":{"cores":{"type":"number"},"memory_bytes":{"type":"integer"},"disk_bytes":{"type":"integer"},"encoder_sessions":{"type":"integer"},"slots":{"type":"integer"}}},
"Lease":{"type":"object","additionalProperties":false,"required":["nonce","free"],"properties":{"nonce":{"type":"string","description":"new for each wish; the same for a repetition"},"max_jobs":{"type":"integer"},"wait_s":{"type":"number","maximum":60},"free":{"$ref":"#/components/schemas/Free"}}},
"Leased":{"type":"object","required":["grants"],"properties":{"grants":{"type":"array","items":{"type":"object","required":["job","attempt","spec"],"properties":{"job":{"type":"string"},"attempt":{"type":"integer"},"queue":{"type":"string"},"priority":{"type":"string"},"spec":{"type":"object"}}}},"accept_within_ms":{"type":"integer"},"closed":{"type":"string"}}},
"Fence":{"type":"object","additionalProperties":false,"required":["job","attempt"],"properties":{"job":{"type":"string"},"attempt":{"type":"integer"}}},
"Fences":{"oneOf":[{"$ref":"#/components/schemas/Fence"},{"type":"object","additionalProperties":false,"required":["jobs"],"properties":{"jobs":{"type":"array","items":{"$ref":"#/components/schemas/Fence"}}}}]},
"Progress":{"oneOf":[{"$ref":"#/components/schemas/BeatItem"},{"type":"object","additionalProperties":false,"required":["jobs"],"properties":{"jobs":{"type":"array","items":{"$ref":"#/components/schemas/BeatItem"}}}}]},
"Result":{"type":"object","additionalProperties":false,"required":["job","attempt","outcome"],"properties":{"job":{"type":"string"},"attempt":{"type":"integer"},"outcome":{"enum":["succeeded","failed","cancelled"]},
  "class":{"enum":["input","parameters","capability","resource","stall","node","network","cancelled","deadline","unknown"]},"reason":{"type":"string"},"result":{"type":"object"},
  "artifacts":{"type":"array","items":{"type":"object","additionalProperties":false,"required":["name","size","sha256"],"properties":{"name":{"type":"string"},"size":{"type":"integer"},"sha256":{"type":"string"}}}}}},
"Results":{"oneOf":[{"$ref":"#/components/schemas/Result"},{"type":"object","additionalProperties":false,"required":["jobs"],"properties":{"jobs":{"type":"array","items":{"$ref":"#/components/schemas/Result"}}}}]},
"FenceAnswers":{"type":"object","required":["jobs"],"properties":{"jobs":{"type":"array","items":{"type":"object","required":["job","attempt","status"],"properties":{"job":{"type":"string"},"attempt":{"type":"integer"},"status":{"type":"integer"},"state":{"type":"string"},"current_attempt":{"type":"integer"},"node":{"type":["string","null"]},"duplicate":{"type":"boolean"},"adopted":{"type":"boolean"},"detail":{"type":"string"}}}}}},
"Types":{"type":"object","required":["types"],"properties":{"types":{"type":"array","items":{"type":"object","required":["name","params"]}}}},
"EventPage":{"type":"object","required":["events","next"],"properties":{"events":{"type":"array","items":{"type":"object","required":["id","at","kind","data"]}},"next":{"type":"string"}}},
"KeyCreate":{"type":"object","additionalProperties":false,"required":["name","role"],"properties":{"name":{"type":"string"},"role":{"enum":["admin","submit","worker"]},"tenant":{"type":"string"},"expires_at":{"type":"string","format":"date-time"}}},
"Key":{"type":"object","required":["id","name","role","tenant"],"properties":{"id":{"type":"string"},"name":{"type":"string"},"role":{"type":"string"},"tenant":{"type":"string"},"expires_at":{"type":["string","null"]},"revoked_at":{"type":["string","null"]}}},
"KeyCreated":{"allOf":[{"$ref":"#/components/schemas/Key"},{"type":"object","required":["key"],"properties":{"key":{"type":"string"}}}]},
"Keys":{"type":"object","required":["keys"],"properties":{"keys":{"type":"array","items":{"$ref":"#/components/schemas/Key"}}}},
"WebhookCreate":{"type":"object","additionalProperties":false,"required":["url"],"properties":{"url":{"type":"string"},"secret":{"type":"string","minLength":16},"kinds":{"type":"array","items":{"type":"string"}}}},
"Webhook":{"type":"object","required":["id","url","cursor"],"properties":{"id":{"type":"string"},"url":{"type":"string"},"kinds":{"type":"array","items":{"type":"string"}},"cursor":{"type":"string"},"delivered":{"type":"integer"},"failures":{"type":"integer"},"last_error":{"type":"string"},"secret":{"type":"string"}}},
"Webhooks":{"type":"object","required":["webhooks"],"properties":{"webhooks":{"type":"array","items":{"$ref":"#/components/schemas/Webhook"}}}},
"Replay":{"type":"object","additionalProperties":false,"properties":{"cursor":{"type":"string"}}},
"Health":{"type":"object","required":["status"],"properties":{"status":{"type":"string"}}}
})json";

}  // namespace

Json schemas() { return Json::parse(kSchemas); }

std::vector<std::pair<std::string, std::string>> query_parameters(const std::string& operation) {
  if (operation == "getJobs")
    return {{"state", "query"},  {"queue", "query"}, {"type", "query"},
            {"tenant", "query"}, {"node", "query"},  {"array", "query"},
            {"label", "query"},  {"limit", "query"}, {"cursor", "query"}};
  if (operation == "postJobs") return {{"Idempotency-Key", "header"}};
  if (operation == "getNodes") return {{"limit", "query"}, {"cursor", "query"}};
  if (operation == "getEvents")
    return {{"after", "query"}, {"limit", "query"}, {"kind", "query"}, {"Last-Event-ID", "header"}};
  if (operation == "getJobsIdLogs") return {{"offset", "query"}, {"limit", "query"}, {"attempt", "query"}};
  if (operation == "postJobsIdLogs") return {{"offset", "query"}, {"attempt", "query"}};
  if (operation == "deleteNodesId") return {{"force", "query"}};
  if (operation == "patchJobsIdInputsName") return {{"Upload-Offset", "header"}};
  if (operation == "patchJobsIdArtifactsName") return {{"Upload-Offset", "header"}, {"attempt", "query"}};
  if (operation == "putJobsIdArtifactsName") return {{"attempt", "query"}};
  if (operation == "getJobsIdArtifactsName" || operation == "getJobsIdInputsName")
    return {{"attempt", "query"}, {"Range", "header"}};
  return {};
}

}  // namespace ffrtmp::master
