#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "sys/json.h"

namespace ffrtmp {

/// One rendition of an adaptive stream.
struct Rung {
  int64_t side = 0;  ///< what "720p" means: the short side
  int64_t width = 0, height = 0;
  int64_t video_kbps = 0, audio_kbps = 0;
};
Json to_json(const Rung& rung);

/// The renditions for a picture of this size: the usual heights that are not above it (nor above `most`),
/// highest first, with the input's own shape; a small or odd picture gets one of its own size. Rates follow
/// Apple's HLS authoring specification for H.264, scaled with the area for shapes other than 16:9.
std::vector<Rung> ladder_for(int64_t width, int64_t height, int64_t most);

}  // namespace ffrtmp
