#pragma once

#include <sys/types.h>

#include <string>
#include <string_view>
#include <vector>

#include "sys/fd.h"
#include "sys/result.h"

namespace ffrtmp {

/// Every function here takes a directory descriptor (AT_FDCWD for the working directory) and a path below it.
/// Errors carry the path. All descriptors are close-on-exec. Thread-safe (no shared state).

Result<Fd> open_at(int dir, const std::string& path, int flags, mode_t mode = 0600);
/// Opens a directory for *at calls (O_PATH would do, but we also fsync and list).
Result<Fd> open_dir(int dir, const std::string& path);

/// The whole file, at most `limit` bytes (files in /proc and cgroupfs report no size). Longer is cut.
Result<std::string> read_file_at(int dir, const std::string& path, size_t limit = 1 << 20);
Result<std::string> read_file(const std::string& path, size_t limit = 1 << 20);
/// The same, "" where it cannot be read: for files whose absence means nothing is there.
std::string read_or_empty(int dir, const std::string& path);
/// Re-reads an open file from its start (control files give fresh values at offset 0).
Result<std::string> reread(int fd, size_t limit = 1 << 16);

/// Where a symbolic link leads, as it stands there; "" where there is none that we may read.
std::string read_link(int dir, const std::string& path);
/// The path of the program that runs. Errors: /proc does not tell.
Result<std::string> own_program();

/// One write(2) of the whole text to an existing file: what control files in /proc and cgroupfs want.
Status write_control(int dir, const std::string& path, std::string_view text);
/// Writes a file so that a reader sees the old or the new contents, never a part: temp, fsync, rename.
Status write_atomic(int dir, const std::string& name, std::string_view text, mode_t mode = 0600);
/// Writes all of `text`, retrying short writes and EINTR.
Status write_all(int fd, std::string_view text);

/// mkdir -p with one mode for every folder made. Existing folders are left as they are.
Status make_dirs(const std::string& path, mode_t mode);
/// Removes a folder of ours with the plain files in it (one level; a sub-folder is an error).
Status remove_flat_dir(int dir, const std::string& name);

/// The names of the folders, or of everything, in an open folder; without "." and "..". Empty when it cannot
/// be read.
std::vector<std::string> folders_in(int dir);
std::vector<std::string> names_in(int dir);

bool exists_at(int dir, const std::string& path);

}  // namespace ffrtmp
