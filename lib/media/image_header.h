#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

namespace ffrtmp {

/// A picture's format and size as its first bytes tell them.
struct ImageHeader {
  std::string format;  ///< jpeg, png, gif, webp, tiff, bmp
  int64_t width = 0, height = 0;
};
/// nullopt when it is no picture that we know, or its header is not within `start` (64 KiB do for nearly
/// all).
std::optional<ImageHeader> read_image_header(std::string_view start);

}  // namespace ffrtmp
