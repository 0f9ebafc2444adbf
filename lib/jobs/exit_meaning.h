#pragma once

#include <string>

namespace ffrtmp {

/// What an exit code means for the program that gave it; empty when we know no more than the number.
/// Sources: ffmpeg.c (fftools) up to 7.1, gst-launch.c, and measurements noted in docs/EXIT-CODES.md.
std::string exit_meaning(const std::string& program, int exit_code);
/// True for a code with which the program says that it stopped cleanly because it was told to.
bool is_clean_stop(const std::string& program, int exit_code);

/// The program's own name, without folder.
std::string program_name(const std::string& path);
bool is_ffmpeg(const std::string& program);
bool is_gstreamer(const std::string& program);

}  // namespace ffrtmp
