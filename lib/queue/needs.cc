#include "queue/needs.h"

#include <algorithm>

#include "sys/text.h"
#include "sys/units.h"

namespace ffrtmp::queue {

namespace {
constexpr int64_t kMostBytes = INT64_C(1) << 56;
constexpr double kMostCores = 100'000;

std::vector<std::string> sorted(std::vector<std::string> list) {
  std::ranges::sort(list);
  const auto [first, last] = std::ranges::unique(list);
  list.erase(first, last);
  return list;
}

Json labels_json(const Labels& labels) {
  Json out = Json::object();
  for (const auto& [key, value] : labels) out[key] = value;
  return out;
}

std::string cores(int64_t milli) {
  std::string out = std::to_string(milli / 1000);
  if (milli % 1000 != 0) out += "." + std::to_string(1000 + milli % 1000).substr(1);
  return out;
}

std::string bytes(int64_t count) { return format_bytes(Bytes{static_cast<uint64_t>(count)}); }

bool holds(const std::vector<std::string>& list, const std::string& word) {
  return std::ranges::find(list, word) != list.end();
}

Needs read(ObjectReader& in) {
  Needs out;
  out.millicores = in.milli("cores", 0, kMostCores, 0);
  out.memory_bytes = in.whole("memory_bytes", 0, kMostBytes, 0);
  out.disk_bytes = in.whole("disk_bytes", 0, kMostBytes, 0);
  out.encoder_sessions = in.whole("encoder_sessions", 0, 1000, 0);
  out.gpu = in.flag("gpu", false);
  out.encoders = sorted(in.texts("encoders", 32, 64));
  out.tools = sorted(in.texts("tools", 32, 64));
  out.labels = in.pairs("labels", 32, 128);
  std::ranges::sort(out.labels);
  out.spread = in.text("spread", 0, 64);
  out.node = in.text("node", 0, 64);
  return out;
}
}  // namespace

Needs read_needs(const Json& json, const std::string& path, FieldErrors& errors) {
  ObjectReader in(json, path, errors);
  Needs out = read(in);
  in.done();
  return out;
}

Json needs_json(const Needs& needs) {
  Json out = Json::object();
  out["type"] = needs.type;
  if (needs.millicores != 0) out["cores"] = static_cast<double>(needs.millicores) / 1000;
  if (needs.memory_bytes != 0) out["memory_bytes"] = needs.memory_bytes;
  if (needs.disk_bytes != 0) out["disk_bytes"] = needs.disk_bytes;
  if (needs.encoder_sessions != 0) out["encoder_sessions"] = needs.encoder_sessions;
  if (needs.gpu) out["gpu"] = true;
  if (!needs.encoders.empty()) out["encoders"] = needs.encoders;
  if (!needs.tools.empty()) out["tools"] = needs.tools;
  if (!needs.labels.empty()) out["labels"] = labels_json(needs.labels);
  if (!needs.spread.empty()) out["spread"] = needs.spread;
  if (!needs.node.empty()) out["node"] = needs.node;
  return out;
}

Needs needs_from(const Json& json) {
  FieldErrors ignored;
  ObjectReader in(json, "", ignored);
  Needs out = read(in);
  out.type = in.text("type", 0, 128);
  return out;
}

NodeCaps read_caps(const Json& json, const std::string& path, FieldErrors& errors) {
  ObjectReader in(json, path, errors);
  NodeCaps out;
  out.millicores = in.milli("cores", 0, kMostCores, 0);
  out.memory_bytes = in.whole("memory_bytes", 0, kMostBytes, 0);
  out.disk_bytes = in.whole("disk_bytes", 0, kMostBytes, 0);
  out.encoder_sessions = in.whole("encoder_sessions", 0, 1000, 0);
  out.max_jobs = in.whole("max_jobs", 1, 10'000, 1);
  out.gpu = in.flag("gpu", false);
  out.encoders = in.texts("encoders", 256, 64);
  out.tools = in.texts("tools", 256, 64);
  out.labels = in.pairs("labels", 64, 128);
  // {"name": "transcode", "params": {…}}: the schemas are read by the registration, the names count here.
  if (const Json* types = in.array("types", 256)) {
    for (const Json& type : *types) {
      if (type.is_string())
        out.types.push_back(type.get<std::string>());
      else if (type.is_object() && type.contains("name") && type["name"].is_string())
        out.types.push_back(type["name"].get<std::string>());
      else
        in.error("types", "must hold names, or objects with a name");
    }
  }
  in.done();
  return out;
}

Free read_free(const Json& json, const std::string& path, FieldErrors& errors) {
  ObjectReader in(json, path, errors);
  Free out;
  out.millicores = in.milli("cores", 0, kMostCores, 0);
  out.memory_bytes = in.whole("memory_bytes", 0, kMostBytes, 0);
  out.disk_bytes = in.whole("disk_bytes", 0, kMostBytes, 0);
  out.encoder_sessions = in.whole("encoder_sessions", 0, 1000, 0);
  out.slots = in.whole("slots", 0, 10'000, 1);
  out.delivering = in.whole("delivering", 0, 10'000, 0);
  in.done();
  return out;
}

std::vector<Unmet> unmet(const Needs& needs, const NodeCaps& caps, const std::string& node_id) {
  std::vector<Unmet> out;
  if (!needs.node.empty() && needs.node != node_id) out.push_back({"node", needs.node, node_id});
  if (!caps.types.empty() && !holds(caps.types, needs.type))
    out.push_back({"job type", needs.type, join(caps.types, ", ")});
  if (needs.millicores > caps.millicores)
    out.push_back({"cores", cores(needs.millicores), cores(caps.millicores)});
  if (needs.memory_bytes > caps.memory_bytes)
    out.push_back({"memory", bytes(needs.memory_bytes), bytes(caps.memory_bytes)});
  if (needs.disk_bytes > caps.disk_bytes)
    out.push_back({"disk", bytes(needs.disk_bytes), bytes(caps.disk_bytes)});
  if (needs.encoder_sessions > caps.encoder_sessions)
    out.push_back(
        {"encoder sessions", std::to_string(needs.encoder_sessions), std::to_string(caps.encoder_sessions)});
  if (needs.gpu && !caps.gpu) out.push_back({"GPU", "yes", "no"});
  for (const auto& encoder : needs.encoders)
    if (!holds(caps.encoders, encoder)) out.push_back({"encoder", encoder, join(caps.encoders, ", ")});
  for (const auto& tool : needs.tools)
    if (!holds(caps.tools, tool)) out.push_back({"tool", tool, join(caps.tools, ", ")});
  for (const auto& [key, value] : needs.labels) {
    const auto found =
        std::ranges::find_if(caps.labels, [&](const auto& label) { return label.first == key; });
    if (found == caps.labels.end())
      out.push_back({"label " + key, value, "none"});
    else if (found->second != value)
      out.push_back({"label " + key, value, found->second});
  }
  return out;
}

bool fits(const Needs& needs, const Free& free) {
  return free.slots > 0 && needs.millicores <= free.millicores && needs.memory_bytes <= free.memory_bytes &&
         needs.disk_bytes <= free.disk_bytes && needs.encoder_sessions <= free.encoder_sessions;
}

void take(const Needs& needs, Free& free) {
  free.slots--;
  free.millicores -= needs.millicores;
  free.memory_bytes -= needs.memory_bytes;
  free.disk_bytes -= needs.disk_bytes;
  free.encoder_sessions -= needs.encoder_sessions;
}

}  // namespace ffrtmp::queue
