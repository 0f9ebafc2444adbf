#pragma once

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <optional>
#include <sstream>
#include <string>

#include "sys/fd.h"

/// Things that tests build on disk: folders that look like what the kernel shows, and go with the test.
namespace fake {

/// A folder of its own that goes, with all in it, when the test ends.
class Dir {
 public:
  Dir() {
    char name[] = "/tmp/ffrtmp-unit-XXXXXX";
    if (!::mkdtemp(name)) std::abort();
    path_ = name;
  }
  ~Dir() {
    std::error_code ignored;
    std::filesystem::remove_all(path_, ignored);
  }
  Dir(const Dir&) = delete;
  Dir& operator=(const Dir&) = delete;

  const std::string& path() const { return path_; }
  std::string operator/(const std::string& below) const { return path_ + "/" + below; }
  /// Makes a folder and all above it.
  std::string folder(const std::string& below) const {
    std::filesystem::create_directories(path_ + "/" + below);
    return path_ + "/" + below;
  }
  /// Makes a file with this text, and the folders above it.
  std::string file(const std::string& below, const std::string& text, mode_t mode = 0644) const {
    const std::filesystem::path at = path_ + "/" + below;
    std::filesystem::create_directories(at.parent_path());
    {
      std::ofstream out(at, std::ios::binary);
      out << text;
    }
    ::chmod(at.c_str(), mode);
    return at;
  }
  void link(const std::string& below, const std::string& target) const {
    const std::filesystem::path at = path_ + "/" + below;
    std::filesystem::create_directories(at.parent_path());
    std::filesystem::create_symlink(target, at);
  }
  std::string text(const std::string& below) const {
    std::ifstream in(path_ + "/" + below, std::ios::binary);
    std::ostringstream out;
    out << in.rdbuf();
    return out.str();
  }
  bool has(const std::string& below) const { return std::filesystem::exists(path_ + "/" + below); }
  /// An open descriptor of a folder in it.
  ffrtmp::Fd open(const std::string& below = ".") const {
    return ffrtmp::Fd(::open((path_ + "/" + below).c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
  }

 private:
  std::string path_;
};

/// An environment variable for as long as a test runs.
class Variable {
 public:
  Variable(const char* name, const char* value) : name_(name) {
    if (const char* old = ::getenv(name)) old_ = old;
    value ? ::setenv(name, value, 1) : ::unsetenv(name);
  }
  ~Variable() { old_ ? ::setenv(name_, old_->c_str(), 1) : ::unsetenv(name_); }
  Variable(const Variable&) = delete;
  Variable& operator=(const Variable&) = delete;

 private:
  const char* name_;
  std::optional<std::string> old_;
};

inline mode_t mode_of(const std::string& path) {
  struct stat info {};
  return ::lstat(path.c_str(), &info) == 0 ? info.st_mode & 07777 : 0;
}

}  // namespace fake
