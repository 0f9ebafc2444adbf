#pragma once

#include <string>

#include "cgroup/limit.h"

namespace ffrtmp {

/// The whole disk behind what an operator names: "MAJ:MIN", "/dev/sda1", "sda", or any path on a file system.
/// A partition gives its disk; dm and md give the one disk under them. Errors: ENOENT; a file system that has
/// no disk (tmpfs, NFS, overlay without one); an array over several disks, whose disks are then named.
Result<BlockDevice> find_block_device(const std::string& name);

/// The same against another root ("" is the real one): `sys_root` holds dev/block and class/block as /sys
/// does.
Result<BlockDevice> whole_disk(BlockDevice device, const std::string& sys_root, const std::string& asked_as);

/// Whether the scheduler of any disk is BFQ: the only scheduler that gives I/O weights a meaning.
bool any_disk_uses_bfq();

}  // namespace ffrtmp
