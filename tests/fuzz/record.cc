#include "jobs/record.h"

#include "fuzz.h"

using namespace ffrtmp;

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  const auto parsed = parse_json(std::string(fuzz::text(data, size)), "record.json");
  const Json* json = fuzz::value(parsed);
  if (!json) return 0;
  const auto read = record_from_json(*json);
  const Record* record = fuzz::value(read);
  if (!record) return 0;
  MUST(!record->job_id.empty());
  // A record that was taken is written and read again as it is.
  const std::string written = dump_json(to_json(*record));
  const auto again = record_from_json(parse_json(written, "record.json").value());
  MUST(again.has_value());
  MUST(dump_json(to_json(*again)) == written);
  return 0;
}
