#pragma once

#include "cgroup/host.h"
#include "cgroup/knobs.h"
#include "cgroup/leaf.h"

namespace ffrtmp {

/// The cgroup that a journal names by mount and path; nullopt when it is gone or another has its name now
/// (`id` 0: any).
std::optional<CgroupDir> find_dir(const Host& host, const LeafPlace& place);

/// What a control file has now, in the form in which `like` was read: its line for the same disk where that
/// is one.
Result<std::string> present_text(int dir, const ControlText& like);

/// "8:0" of "8:0 wbps=1"; "" where a text has no disk.
std::string disk_of(const std::string& text);

}  // namespace ffrtmp
