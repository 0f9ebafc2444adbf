#include <unistd.h>

#include <algorithm>
#include <cstdlib>
#include <filesystem>

#include "sys/file.h"
#include "sys/text.h"
#include "types/job_type.h"

namespace ffrtmp {

namespace fs = std::filesystem;

namespace {

constexpr size_t kLargestFile = 1 << 20;

/// The folder of types that belongs to this binary: ../share/ffrtmp/types where it is installed, ../types
/// where it was built.
std::string own_folder() {
  const auto self = own_program();
  if (!self) return "/usr/share/ffrtmp/types";
  const fs::path bin = fs::path(*self).parent_path();
  std::error_code error;
  for (const char* place : {"../share/ffrtmp/types", "../types", "../../types"})
    if (fs::is_regular_file(bin / place / "transcode.toml", error)) return (bin / place).lexically_normal();
  return "/usr/share/ffrtmp/types";
}

}  // namespace

std::vector<std::string> job_type_folders() {
  std::vector<std::string> out = {own_folder(), "/etc/ffrtmp/types"};
  if (const char* home = ::getenv("HOME"); home && home[0] == '/')
    out.push_back(std::string(home) + "/.config/ffrtmp/types");
  return out;
}

FoundTypes load_job_types() {
  FoundTypes out;
  for (const auto& folder : job_type_folders()) {
    std::vector<fs::path> files;
    std::error_code error;
    for (const auto& entry : fs::directory_iterator(folder, error))
      if (entry.path().extension() == ".toml") files.push_back(entry.path());
    std::ranges::sort(files);
    for (const auto& file : files) {
      auto text = read_file(file.string(), kLargestFile);
      auto type = text ? parse_job_type(*text, file.string()) : std::unexpected(text.error());
      if (!type) {
        out.broken.push_back(type.error());
        continue;
      }
      std::erase_if(out.types, [&](const JobType& older) { return older.name == type->name; });
      out.types.push_back(std::move(*type));
    }
  }
  std::ranges::sort(out.types, {}, &JobType::name);
  return out;
}

Result<JobType> find_job_type(const std::string& name) {
  // Usually a type's file has its name: one file is read then, not twenty. The last folder wins.
  auto folders = job_type_folders();
  std::ranges::reverse(folders);
  const bool plain =
      !name.empty() && name.find_first_not_of("abcdefghijklmnopqrstuvwxyz0123456789-") == std::string::npos;
  bool only_own_names = true;
  for (size_t i = 0; i + 1 < folders.size(); i++) {
    std::error_code error;
    for (const auto& entry : fs::directory_iterator(folders[i], error))
      if (entry.path().extension() == ".toml" && entry.path().stem() != name) only_own_names = false;
  }
  if (plain && only_own_names)
    for (const auto& folder : folders)
      if (const auto text = read_file(folder + "/" + name + ".toml", kLargestFile)) {
        TRY(JobType type, parse_job_type(*text, folder + "/" + name + ".toml"));
        if (type.name == name) return type;
      }
  FoundTypes found = load_job_types();
  std::vector<std::string> names;
  for (auto& type : found.types) {
    if (type.name == name) return std::move(type);
    names.push_back(type.name);
  }
  // A broken file may be the one that was meant.
  for (const auto& error : found.broken)
    if (error.step.find("/" + name + ".toml:") != std::string::npos) return std::unexpected(error);
  const auto near = nearest(name, names);
  return bad_input("no such job type:", name, near ? "did you mean " + *near + "?" : "see ffrtmp job list");
}

}  // namespace ffrtmp
