#pragma once

#include <string>

#include "sys/result.h"

namespace ffrtmp {

/// [A-Za-z0-9][A-Za-z0-9._-]{0,63}: safe as a folder, a cgroup and an argument.
Status check_job_id(const std::string& id);
/// A fresh id: the command's name and the time with some chance in it, such as "ffmpeg-20261121-081530-x7k2".
std::string make_job_id(const std::string& command);

}  // namespace ffrtmp
