#pragma once

#include <optional>
#include <string>
#include <vector>

#include "sys/result.h"

namespace ffrtmp {

/// The scheme of "rtmp://…", in small letters; nullopt for what is a path. "concat:a|b", "file:x" and
/// "subfile,,…:x" have one too: FFmpeg would take them as protocols.
std::optional<std::string> scheme_of(const std::string& text);

/// A local path as FFmpeg takes it without reading a protocol or an option into it: "file:./-y.mp4".
std::string ffmpeg_location(const std::string& path_or_url);
/// A local path that no program takes for an option: "./-y.mp4".
std::string plain_path(const std::string& path);

/// Demuxers that open other files or addresses than the one they were given.
bool is_indirect_format(const std::string& format);
/// True when the start of a file is that of a playlist or manifest (HLS, DASH, concat, SDP, …), whatever its
/// name.
bool looks_like_playlist(std::string_view start_of_file);

/// FFmpeg's -protocol_whitelist for reading this location: a local file may open files only, an address only
/// what it is made of.
std::string protocols_for(const std::string& location);

}  // namespace ffrtmp
