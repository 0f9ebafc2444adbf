#include "cgroup/limit.h"
#include "fuzz.h"

using namespace ffrtmp;

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  const auto parsed = parse_io_max_text(fuzz::text(data, size));
  const IoMaxText* io = fuzz::value(parsed);
  if (!io) return 0;
  MUST(!io->device.empty());
  const IoMax& rates = io->rates;
  MUST(rates.rbps || rates.wbps || rates.riops || rates.wiops);
  for (const auto& rate : {rates.rbps, rates.wbps, rates.riops, rates.wiops})
    if (rate) MUST(*rate > 0 && *rate <= INT64_MAX);
  // The rates as the kernel would be told them, behind the disk as it was named.
  std::string again = v2_text(rates);
  again = io->device + again.substr(again.find(' '));
  const auto back = parse_io_max_text(again);
  MUST(back.has_value());
  MUST(back->rates == rates && back->device == io->device);
  return 0;
}
