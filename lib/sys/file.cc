#include "sys/file.h"

#include <dirent.h>
#include <fcntl.h>
#include <limits.h>
#include <sys/stat.h>
#include <unistd.h>

namespace ffrtmp {

Result<Fd> open_at(int dir, const std::string& path, int flags, mode_t mode) {
  const int fd = ::openat(dir, path.c_str(), flags | O_CLOEXEC, mode);
  if (fd < 0) return sys_error("opening", path);
  return Fd(fd);
}

Result<Fd> open_dir(int dir, const std::string& path) { return open_at(dir, path, O_RDONLY | O_DIRECTORY); }

namespace {
Result<std::string> read_all(int fd, bool from_start, size_t limit, const std::string& name) {
  std::string out;
  char buffer[4096];
  off_t at = 0;
  while (out.size() < limit) {
    const size_t want = std::min(sizeof buffer, limit - out.size());
    const ssize_t got = from_start ? ::pread(fd, buffer, want, at) : ::read(fd, buffer, want);
    if (got < 0 && errno == EINTR) continue;
    if (got < 0) return sys_error("reading", name);
    if (got == 0) break;
    out.append(buffer, static_cast<size_t>(got));
    at += got;
  }
  return out;
}
}  // namespace

Result<std::string> read_file_at(int dir, const std::string& path, size_t limit) {
  TRY(const Fd fd, open_at(dir, path, O_RDONLY));
  return read_all(fd.get(), false, limit, path);
}

Result<std::string> read_file(const std::string& path, size_t limit) {
  return read_file_at(AT_FDCWD, path, limit);
}

std::string read_or_empty(int dir, const std::string& path) { return read_file_at(dir, path).value_or(""); }

Result<std::string> reread(int fd, size_t limit) { return read_all(fd, true, limit, "a held control file"); }

std::string read_link(int dir, const std::string& path) {
  char target[PATH_MAX];
  const ssize_t length = ::readlinkat(dir, path.c_str(), target, sizeof target);
  // One that fills the buffer was cut.
  const bool whole = length > 0 && static_cast<size_t>(length) < sizeof target;
  return whole ? std::string(target, static_cast<size_t>(length)) : "";
}

Result<std::string> own_program() {
  constexpr char kSelf[] = "/proc/self/exe";
  std::string out = read_link(AT_FDCWD, kSelf);
  if (out.empty()) return sys_error("finding this program", kSelf);
  return out;
}

Status write_control(int dir, const std::string& path, std::string_view text) {
  TRY(const Fd fd, open_at(dir, path, O_WRONLY));
  // A control file takes its value in a single write; a retry after a part would be another value.
  const ssize_t wrote = ::write(fd.get(), text.data(), text.size());
  if (wrote < 0) return sys_error("writing \"" + std::string(text) + "\" to", path);
  if (static_cast<size_t>(wrote) != text.size()) return sys_error("writing", path, EIO);
  return {};
}

Status write_all(int fd, std::string_view text) {
  while (!text.empty()) {
    const ssize_t wrote = ::write(fd, text.data(), text.size());
    if (wrote < 0 && errno == EINTR) continue;
    if (wrote < 0) return sys_error("writing", "");
    text.remove_prefix(static_cast<size_t>(wrote));
  }
  return {};
}

Status write_atomic(int dir, const std::string& name, std::string_view text, mode_t mode) {
  // The PID keeps two writers' temporary files apart; the rename decides who was last.
  const std::string temp = name + ".tmp" + std::to_string(::getpid());
  const auto written = [&]() -> Status {
    TRY(const Fd fd, open_at(dir, temp, O_WRONLY | O_CREAT | O_TRUNC | O_NOFOLLOW, mode));
    TRY_OK(write_all(fd.get(), text));
    if (::fsync(fd.get()) != 0) return sys_error("syncing", temp);
    if (::renameat(dir, temp.c_str(), dir, name.c_str()) != 0) return sys_error("renaming to", name);
    return {};
  }();
  if (!written) {
    ::unlinkat(dir, temp.c_str(), 0);
    Error error = written.error();
    if (error.object.empty()) error.object = name;
    return std::unexpected(error);
  }
  return {};
}

Status make_dirs(const std::string& path, mode_t mode) {
  for (size_t at = path.find('/', 1);; at = path.find('/', at + 1)) {
    const std::string part = path.substr(0, at);
    if (::mkdir(part.c_str(), mode) != 0 && errno != EEXIST) return sys_error("making folder", part);
    if (at == std::string::npos) return {};
  }
}

namespace {

std::vector<std::string> listing_of(int dir, bool folders_only) {
  std::vector<std::string> out;
  const int copy = ::openat(dir, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  DIR* listing = copy < 0 ? nullptr : ::fdopendir(copy);
  if (!listing) return out;
  while (const dirent* entry = ::readdir(listing)) {
    std::string name = entry->d_name;
    if (name == "." || name == ".." || (folders_only && entry->d_type != DT_DIR)) continue;
    out.push_back(std::move(name));
  }
  ::closedir(listing);
  return out;
}

}  // namespace

std::vector<std::string> folders_in(int dir) { return listing_of(dir, true); }
std::vector<std::string> names_in(int dir) { return listing_of(dir, false); }

Status remove_flat_dir(int dir, const std::string& name) {
  TRY(const Fd folder, open_dir(dir, name));
  for (const auto& file : names_in(folder.get()))
    if (::unlinkat(folder.get(), file.c_str(), 0) != 0 && errno != ENOENT)
      return sys_error("removing", name + "/" + file);
  if (::unlinkat(dir, name.c_str(), AT_REMOVEDIR) != 0 && errno != ENOENT)
    return sys_error("removing folder", name);
  return {};
}

bool exists_at(int dir, const std::string& path) { return ::faccessat(dir, path.c_str(), F_OK, 0) == 0; }

}  // namespace ffrtmp
