#include "media/ladder.h"

#include <algorithm>
#include <cmath>

namespace ffrtmp {

namespace {
struct Usual {
  int64_t height, video_kbps, audio_kbps;
};
constexpr Usual kUsual[] = {{2160, 14000, 192}, {1440, 8000, 192}, {1080, 5000, 192}, {720, 2800, 128},
                            {480, 1400, 128},   {360, 800, 96},    {240, 400, 64}};
int64_t even(double value) { return std::max<int64_t>(2, 2 * std::llround(value / 2)); }
}  // namespace

Json to_json(const Rung& rung) {
  return {{"name", std::to_string(rung.side) + "p"},
          {"width", rung.width},
          {"height", rung.height},
          {"bitrate", std::to_string(rung.video_kbps) + "k"},
          {"maxrate", std::to_string(rung.video_kbps * 107 / 100) + "k"},
          {"bufsize", std::to_string(rung.video_kbps * 3 / 2) + "k"},
          {"audio_bitrate", std::to_string(rung.audio_kbps) + "k"}};
}

std::vector<Rung> ladder_for(int64_t width, int64_t height, int64_t most) {
  std::vector<Rung> out;
  if (width <= 0 || height <= 0) return out;
  // A portrait film's short side is what "720p" means.
  const int64_t side = std::min(width, height);
  const double shape = static_cast<double>(width) / static_cast<double>(height);
  for (const auto& usual : kUsual) {
    if (usual.height > side || usual.height > most) continue;
    const double scale = static_cast<double>(usual.height) / static_cast<double>(side);
    Rung rung{usual.height, even(static_cast<double>(width) * scale),
              even(static_cast<double>(height) * scale), 0, usual.audio_kbps};
    const double area = static_cast<double>(rung.width * rung.height) /
                        (static_cast<double>(usual.height * usual.height) * 16 / 9);
    rung.video_kbps = std::llround(static_cast<double>(usual.video_kbps) * std::clamp(area, 0.5, 2.0));
    out.push_back(rung);
  }
  if (out.empty()) {
    const double scale = std::min(1.0, static_cast<double>(most) / static_cast<double>(side));
    out.push_back({std::min(side, most), even(static_cast<double>(height) * scale * shape),
                   even(static_cast<double>(height) * scale), 300, 64});
  }
  return out;
}

}  // namespace ffrtmp
