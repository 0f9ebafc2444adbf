#include "agent/capabilities.h"

#include <fcntl.h>
#include <sched.h>
#include <sys/statvfs.h>

#include <algorithm>
#include <set>

#include "sys/file.h"
#include "sys/text.h"
#include "types/job_type.h"

namespace ffrtmp::agent {

namespace {

constexpr char kProbe[] = "capabilities.json";

uint64_t meminfo(std::string_view name) {
  const std::string text = read_file("/proc/meminfo").value_or("");
  for (const auto line : lines(text)) {
    if (!line.starts_with(name) || line.substr(name.size(), 1) != ":") continue;
    const auto field = words(line);
    if (field.size() > 1) return parse_u64(field[1]).value_or(0) * 1024;
  }
  return 0;
}

/// A parameter as the master checks it. Kinds that it does not know are any.
Json schema_of(const ParameterSpec& spec) {
  const char* type = spec.kind == ParameterKind::integer                                        ? "integer"
                     : spec.kind == ParameterKind::number                                       ? "number"
                     : spec.kind == ParameterKind::boolean                                      ? "boolean"
                     : spec.kind == ParameterKind::string || spec.kind == ParameterKind::choice ? "string"
                                                                                                : "any";
  Json out = {{"type", type}};
  if (!spec.choices.empty() && spec.kind == ParameterKind::choice) out["enum"] = spec.choices;
  const bool number = spec.kind == ParameterKind::integer || spec.kind == ParameterKind::number;
  if (number && spec.least) out["min"] = *spec.least;
  if (number && spec.most) out["max"] = *spec.most;
  if (spec.required) out["required"] = true;
  if (!spec.help.empty()) out["help"] = spec.help.substr(0, 500);
  return out;
}

Json types_of(const Options& options) {
  Json out = Json::array();
  for (const auto& type : load_job_types().types) {
    if (!type.on_agents && !options.allow_exec) continue;
    Json params = Json::object();
    for (const auto& spec : type.parameters) params[spec.name] = schema_of(spec);
    if (!type.engines.empty()) params["engine"] = {{"type", "string"}};
    params["hwaccel"] = {{"type", "string"}};
    out.push_back({{"name", type.name}, {"version", std::to_string(type.version)}, {"params", params}});
  }
  return out;
}

std::vector<const Json*> working_encoders(const Json& probed) {
  std::vector<const Json*> out;
  if (const Json& list = at_or_null(probed, "encoders"); list.is_array())
    for (const Json& one : list)
      if (at_or_null(one, "works") == Json(true)) out.push_back(&one);
  return out;
}

bool has_hardware(const Json& probed) {
  return std::ranges::any_of(working_encoders(probed),
                             [](const Json* one) { return text_or(*one, "accel") != "none"; });
}

}  // namespace

int64_t usable_cpus() {
  cpu_set_t set;
  return ::sched_getaffinity(0, sizeof set, &set) == 0 ? std::max(1, CPU_COUNT(&set)) : 1;
}

Result<Child> start_probe(const std::string& wrapper, const std::string& state_dir, bool fresh) {
  TRY(const Fd null, open_at(AT_FDCWD, "/dev/null", O_RDWR));
  // A file of its own: the probe of an agent that was killed may still write to the one before.
  const std::string path = state_dir + "/" + kProbe + ".new";
  ::unlink(path.c_str());
  TRY(const Fd out, open_at(AT_FDCWD, path, O_WRONLY | O_CREAT | O_EXCL, 0600));
  std::vector<std::string> argv = {wrapper, "capabilities", "--json"};
  if (fresh) argv.push_back("--fresh");
  return start_child(argv, {null.get(), out.get(), null.get()});
}

Json probed(const std::string& state_dir) {
  const std::string path = state_dir + "/" + kProbe, fresh = path + ".new";
  const auto read = [](const std::string& from) {
    const auto text = read_file(from, 4 << 20);
    auto json = text ? parse_json(*text, from) : Result<Json>(Json());
    return json && json->is_object() ? std::move(*json) : Json();
  };
  if (Json found = read(fresh); found.is_object()) {
    (void)::rename(fresh.c_str(), path.c_str());
    return found;
  }
  Json found = read(path);
  return found.is_object() ? found : Json::object();
}

uint64_t encoder_sessions(const Options& options, const Json& probed) {
  if (options.encoder_sessions) return static_cast<uint64_t>(*options.encoder_sessions);
  return has_hardware(probed) ? static_cast<uint64_t>(slots_of(options)) : 0;
}

Json describe_node(const Options& options, const Json& probed) {
  std::set<std::string> encoders, tools;
  for (const Json* one : working_encoders(probed)) {
    encoders.insert(text_or(*one, "name"));
    encoders.insert(text_or(*one, "codec"));
  }
  if (const Json& list = at_or_null(probed, "tools"); list.is_object())
    for (const auto& [name, version] : list.items())
      if (version.is_string()) tools.insert(name);
  Json out = {{"cores", usable_cpus()},
              {"memory_bytes", meminfo("MemTotal")},
              {"disk_bytes", free_disk(options)},
              {"max_jobs", slots_of(options)},
              {"gpu", has_hardware(probed)},
              {"encoder_sessions", encoder_sessions(options, probed)},
              {"encoders", encoders},
              {"tools", tools}};
  Json labels = Json::object();
  for (const auto& [name, value] : options.labels) labels[name] = value;
  out["labels"] = labels;
  out["types"] = types_of(options);
  return out;
}

uint64_t free_disk(const Options& options) {
  struct statvfs info {};
  if (::statvfs(options.work_dir.c_str(), &info) != 0) return 0;
  const uint64_t free = static_cast<uint64_t>(info.f_bavail) * info.f_frsize;
  return free > options.disk_reserve ? free - options.disk_reserve : 0;
}

Json free_now(const Options& options, const Promised& promised, uint64_t sessions) {
  const auto left = [](uint64_t all, uint64_t taken) { return all > taken ? all - taken : 0; };
  const double cores = std::max(0.0, static_cast<double>(usable_cpus()) - promised.cores);
  const uint64_t memory = std::min(left(meminfo("MemTotal"), promised.memory_bytes), meminfo("MemAvailable"));
  return {{"cores", cores},
          {"memory_bytes", memory},
          {"disk_bytes", left(free_disk(options), promised.disk_bytes)},
          {"encoder_sessions", left(sessions, promised.encoder_sessions)},
          {"slots", std::max<int64_t>(0, slots_of(options) - promised.jobs)},
          {"delivering", promised.delivering}};
}

}  // namespace ffrtmp::agent
