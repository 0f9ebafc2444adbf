#include "adopt/journal.h"

#include "adopt/place.h"
#include "fuzz.h"

using namespace ffrtmp;

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  const std::string_view text = fuzz::text(data, size);
  // Whatever a cgroup is called, it is somebody's.
  MUST(!describe(place_of(std::string(text))).empty());
  const auto parsed = parse_json(std::string(text), "journal.json");
  const Json* json = fuzz::value(parsed);
  if (!json) return 0;
  const auto read = steps_from_json(*json);
  const auto* steps = fuzz::value(read);
  if (!steps) return 0;
  for (const auto& step : *steps)
    if (const auto* leaf = std::get_if<LeafStep>(&step))
      for (const auto& place : leaf->places)
        MUST(place.path.starts_with('/') && !place.path.contains("/../"));
  // A journal that was taken is written and read again as it is.
  const std::string written = dump_json(to_json(*steps));
  const auto again = steps_from_json(parse_json(written, "journal.json").value());
  MUST(again.has_value());
  MUST(dump_json(to_json(*again)) == written);
  return 0;
}
