#include "fuzz.h"
#include "net/url_guard.h"
#include "queue/spec.h"

using namespace ffrtmp;

namespace {

void check(const FieldErrors& errors) {
  for (const auto& error : errors) {
    MUST(!error.field.empty() && !error.detail.empty());
    // They become JSON, and lines of a log.
    MUST(parse_json(dump_json(Json(error.field + error.detail)), "an error"));
  }
}

void every_text(const Json& value) {
  if (value.is_string()) {
    const auto outward = net::check_outward(value.get<std::string>());
    if (!outward) fuzz::check(outward.error());
    (void)queue::plain_name(value.get<std::string>());
  }
  if (value.is_structured())
    for (const Json& inner : value) every_text(inner);
}

}  // namespace

/// What a stranger posts to the master: taken, or refused with the place and the fields, never more.
extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  const auto parsed = parse_strange_json(fuzz::text(data, size));
  const Json* json = fuzz::value(parsed);
  if (json == nullptr) return 0;
  every_text(*json);
  FieldErrors errors;
  const auto spec = queue::read_spec(*json, "jobs[0]", errors);
  check(errors);
  if (errors.empty()) {
    MUST(!spec.type.empty() && spec.count >= 1 && spec.max_attempts >= 1);
    MUST(parse_json(dump_json(queue::redacted(spec.document)), "a document"));
    // What is stored of it reads back as it was.
    const Json needs = needs_json(spec.needs);
    MUST(dump_json(needs_json(queue::needs_from(needs))) == dump_json(needs));
    (void)queue::offline_policy(spec.document);
  }
  errors.clear();
  const auto caps = queue::read_caps(*json, "capabilities", errors);
  (void)queue::unmet(spec.needs, caps, "n-1");
  (void)queue::read_free(*json, "free", errors);
  queue::check_schema(*json, "params", errors);
  check(errors);
  return 0;
}
