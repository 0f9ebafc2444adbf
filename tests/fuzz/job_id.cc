#include "jobs/job_id.h"

#include <algorithm>

#include "fuzz.h"

using namespace ffrtmp;

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  const std::string text(fuzz::text(data, size));
  if (const auto checked = check_job_id(text); checked) {
    MUST(!text.empty() && text.size() <= 64);
    MUST(text != "." && text != ".." && text.find('/') == std::string::npos && text[0] != '-' &&
         text[0] != '.');
    for (const unsigned char c : text) MUST(c > 0x20 && c < 0x7f);
  } else {
    fuzz::check(checked.error());
  }
  MUST(check_job_id(make_job_id(text)).has_value());
  return 0;
}
