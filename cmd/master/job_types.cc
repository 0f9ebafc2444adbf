#include "job_types.h"

#include "queue/spec.h"
#include "sys/text.h"

namespace ffrtmp::master {

namespace {
std::mutex g_mutex;
std::shared_ptr<const std::map<std::string, Json>> g_types;
int64_t g_until = 0;
}  // namespace

void JobTypes::forget() {
  const std::lock_guard lock(g_mutex);
  g_until = 0;
}

Result<JobTypes> JobTypes::current(App& app) {
  JobTypes out;
  {
    const std::lock_guard lock(g_mutex);
    if (g_types && g_until > monotonic_ms()) {
      out.types_ = g_types;
      return out;
    }
  }
  auto fresh = std::make_shared<std::map<std::string, Json>>();
  TRY_OK(app.read([&](store::Tx& tx) -> Status {
    TRY(const auto types, store::job_types(tx));
    for (const auto& [name, schema] : types) {
      const auto parsed = parse_json(schema, "a job type");
      (*fresh)[name] = parsed ? *parsed : Json::object();
    }
    return {};
  }));
  const std::lock_guard lock(g_mutex);
  g_types = fresh;
  g_until = monotonic_ms() + 2000;
  out.types_ = fresh;
  return out;
}

void JobTypes::check(const std::string& type, const Json& document, const std::string& path,
                     FieldErrors& errors) const {
  if (types_->empty()) return;  // the fleet has not joined yet: `why` will tell
  const auto at = [&](const char* name) { return path.empty() ? std::string(name) : path + "." + name; };
  const auto found = types_->find(type);
  if (found == types_->end()) {
    std::vector<std::string> names;
    for (const auto& [name, schema] : *types_) names.push_back(name);
    const auto near = nearest(type, names);
    errors.push_back({at("type"), "no node knows it" + (near ? "; did you mean \"" + *near + "\"?"
                                                             : "; known: " + join(names, ", "))});
    return;
  }
  const auto params = document.find("params");
  queue::check_params(params == document.end() ? Json::object() : *params, found->second, at("params"),
                      errors);
}

}  // namespace ffrtmp::master
