#include <cmath>

#include "fuzz.h"
#include "jobs/media.h"

using namespace ffrtmp;

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  const std::string text(fuzz::text(data, size));
  const auto progress = parse_progress(text);
  if (!progress) {
    MUST(!text.starts_with("progress=") && text.find("\nprogress=") == std::string::npos);
    return 0;
  }
  for (const auto& value : {progress->fps, progress->speed, progress->out_time_s, progress->bitrate_bps})
    if (value) MUST(std::isfinite(*value));
  const std::string shown = dump_json(to_json(*progress));
  // The next block, half written, is not yet told of.
  const std::string whole = text + "\nframe=7\nfps=25.0\nprogress=continue\n";
  const auto before = parse_progress(whole);
  const auto after = parse_progress(whole + "frame=9\nfps=1.0\nspeed=3x\ndrop_fra");
  MUST(before && after);
  MUST(before->frames == 7u);
  MUST(dump_json(to_json(*before)) == dump_json(to_json(*after)));
  return 0;
}
