#include "fuzz.h"
#include "proc/procfs.h"
#include "sys/text.h"

using namespace ffrtmp;

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  const std::string_view text = fuzz::text(data, size);
  for (const char* key : {"oom_kill", "oom", "usage_usec", "populated", ""}) {
    const auto value = keyed_value(text, key);
    if (value) MUST(text.find(key) != std::string_view::npos);
    // A line in front decides.
    if (*key) MUST(keyed_value(std::string(key) + " 7\n" + std::string(text), key) == 7u);
  }
  for (const char* line : {"some", "full"}) {
    if (pressure_total(text, line)) MUST(text.find("total=") != std::string_view::npos);
    MUST(pressure_total(std::string(line) + " avg10=0.00 total=9\n" + std::string(text), line) == 9u);
  }
  for (const char* key : {"read_bytes", "write_bytes", "wchar"}) {
    if (colon_value(text, key)) MUST(text.find(':') != std::string_view::npos);
    MUST(colon_value(std::string(key) + ": 5\n" + std::string(text), key) == 5u);
  }
  return 0;
}
