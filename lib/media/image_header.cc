#include "media/image_header.h"

namespace ffrtmp {

namespace {

/// Numbers at places of a text; 0 beyond its end.
struct Bytes8 {
  std::string_view text;
  uint32_t u8(size_t at) const { return at < text.size() ? static_cast<unsigned char>(text[at]) : 0; }
  uint32_t be16(size_t at) const { return u8(at) << 8 | u8(at + 1); }
  uint32_t le16(size_t at) const { return u8(at + 1) << 8 | u8(at); }
  uint32_t be32(size_t at) const { return be16(at) << 16 | be16(at + 2); }
  uint32_t le24(size_t at) const { return le16(at) | u8(at + 2) << 16; }
  uint32_t le32(size_t at) const { return le16(at) | le16(at + 2) << 16; }
};

std::optional<ImageHeader> sized(const char* format, uint32_t width, uint32_t height) {
  constexpr uint32_t kLargest = 1 << 20;
  if (width == 0 || height == 0 || width > kLargest || height > kLargest) return std::nullopt;
  return ImageHeader{format, width, height};
}

std::optional<ImageHeader> jpeg(const Bytes8& b) {
  // Segments up to the start of frame (ITU T.81, B.1.1.4).
  for (size_t at = 2; at + 9 < b.text.size();) {
    if (b.u8(at) != 0xFF) return std::nullopt;
    const uint32_t marker = b.u8(at + 1);
    if (marker == 0xFF) {
      at++;
      continue;
    }
    if (marker >= 0xC0 && marker <= 0xCF && marker != 0xC4 && marker != 0xC8 && marker != 0xCC)
      return sized("jpeg", b.be16(at + 7), b.be16(at + 5));
    if (marker == 0xD9 || marker == 0xDA) return std::nullopt;
    const uint32_t length = b.be16(at + 2);
    if (length < 2) return std::nullopt;
    at += 2 + length;
  }
  return std::nullopt;
}

std::optional<ImageHeader> tiff(const Bytes8& b, bool little) {
  const auto u16 = [&](size_t at) { return little ? b.le16(at) : b.be16(at); };
  const auto u32 = [&](size_t at) { return little ? b.le32(at) : b.be32(at); };
  const size_t directory = u32(4);
  if (directory + 2 > b.text.size()) return std::nullopt;
  uint32_t width = 0, height = 0;
  const uint32_t entries = u16(directory);
  for (uint32_t i = 0; i < entries && i < 512; i++) {
    const size_t at = directory + 2 + i * 12;
    if (at + 12 > b.text.size()) return std::nullopt;
    const uint32_t value = u16(at + 2) == 3 ? u16(at + 8) : u32(at + 8);
    if (u16(at) == 256) width = value;
    if (u16(at) == 257) height = value;
  }
  return sized("tiff", width, height);
}

std::optional<ImageHeader> webp(const Bytes8& b) {
  const std::string_view chunk = b.text.substr(12, 4);
  if (chunk == "VP8 ") return sized("webp", b.le16(26) & 0x3FFF, b.le16(28) & 0x3FFF);
  if (chunk == "VP8L") return sized("webp", (b.le32(21) & 0x3FFF) + 1, (b.le32(21) >> 14 & 0x3FFF) + 1);
  if (chunk == "VP8X") return sized("webp", b.le24(24) + 1, b.le24(27) + 1);
  return std::nullopt;
}

}  // namespace

std::optional<ImageHeader> read_image_header(std::string_view start) {
  const Bytes8 b{start};
  if (start.size() < 26) return std::nullopt;
  if (start.starts_with("\xFF\xD8\xFF")) return jpeg(b);
  if (start.starts_with("\x89PNG\r\n\x1A\n"))
    return start.substr(12, 4) == "IHDR" ? sized("png", b.be32(16), b.be32(20)) : std::nullopt;
  if (start.starts_with("GIF87a") || start.starts_with("GIF89a")) return sized("gif", b.le16(6), b.le16(8));
  if (start.starts_with("RIFF") && start.substr(8, 4) == "WEBP" && start.size() >= 30) return webp(b);
  if (start.starts_with("BM")) return sized("bmp", b.le32(18), b.le32(22) & 0x7FFFFFFF);
  if (start.starts_with(std::string_view("II*\0", 4))) return tiff(b, true);
  if (start.starts_with(std::string_view("MM\0*", 4))) return tiff(b, false);
  return std::nullopt;
}

}  // namespace ffrtmp
