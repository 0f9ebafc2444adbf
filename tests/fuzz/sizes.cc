#include "cgroup/limit.h"
#include "fuzz.h"

using namespace ffrtmp;

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  const std::string_view text = fuzz::text(data, size);
  if (const auto parsed = parse_bytes(text); const Bytes* bytes = fuzz::value(parsed)) {
    MUST(bytes->count > 0 && bytes->count <= INT64_MAX);
    MUST(*parse_bytes(std::to_string(bytes->count)) == *bytes);
    // What is shown to people is a size too, and near the truth.
    if (bytes->count < 1ull << 60) {
      const auto shown = parse_bytes(format_bytes(*bytes));
      MUST(shown.has_value());
      const double ratio = static_cast<double>(shown->count) / static_cast<double>(bytes->count);
      MUST(ratio > 0.94 && ratio < 1.06);
    }
    MUST(*parse_swap(text) == *bytes);
  }
  const auto swap = parse_swap(text);
  fuzz::value(swap);
  if (const auto parsed = parse_megabytes(text); const Bytes* bytes = fuzz::value(parsed))
    MUST(bytes->count > 0 && bytes->count <= INT64_MAX && bytes->count % (1 << 20) == 0);
  return 0;
}
