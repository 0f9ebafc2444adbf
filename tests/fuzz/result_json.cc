#include "cgroup/meters.h"
#include "cgroup/receipt.h"
#include "fuzz.h"
#include "jobs/result.h"
#include "why/ended.h"

using namespace ffrtmp;

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  const auto parsed = parse_json(std::string(fuzz::text(data, size)), "result.json");
  const Json* json = fuzz::value(parsed);
  if (!json) return 0;
  (void)exit_code_of_result(*json);
  for (const Json* part : {json, json->is_object() && json->contains("usage") ? &(*json)["usage"] : json}) {
    const std::string written = dump_json(to_json(usage_from_json(*part)));
    MUST(dump_json(to_json(usage_from_json(parse_json(written, "usage").value()))) == written);
  }
  const std::string receipt = dump_json(to_json(receipt_from_json(*json)));
  MUST(dump_json(to_json(receipt_from_json(parse_json(receipt, "receipt").value()))) == receipt);
  (void)identity_from_json(*json);
  const WhyReport report = why_it_ended(Record{}, *json, {});
  MUST(!why_text(report).empty());
  MUST(to_json(report)["schema"] == 1);
  return 0;
}
