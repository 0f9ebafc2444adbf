#include "fuzz.h"
#include "queue/spec.h"

using namespace ffrtmp;

/// What stands in the database's columns, though it should be our own writing: damaged, edited by hand, or of
/// a newer master. Nothing may end the process.
extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  const auto parsed = parse_json(std::string(fuzz::text(data, size)), "a column");
  const Json* json = fuzz::value(parsed);
  if (json == nullptr) return 0;
  const auto needs = queue::needs_from(*json);
  FieldErrors errors;
  const auto caps = queue::read_caps(*json, "", errors);
  (void)queue::unmet(needs, caps, "n-1");
  (void)queue::offline_policy(*json);
  MUST(parse_json(dump_json(queue::redacted(*json)), "a document"));
  // As a type's schema, held against itself as parameters.
  queue::check_params(*json, *json, "params", errors);
  for (const auto& [name, inner] : json->items()) queue::check_params(*json, inner, "params", errors);
  return 0;
}
