#include "types/io.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>

#include "media/image_header.h"
#include "media/info.h"
#include "media/location.h"
#include "sys/file.h"
#include "sys/text.h"
#include "types/functions.h"

namespace ffrtmp {

namespace {

Json path_facts(const std::string& path, bool url) {
  const size_t query = url ? path.find('?') : std::string::npos;
  const std::string plain = path.substr(0, query);
  const auto call = [&](const char* name) {
    return function_named(name)->call({Json(plain)}, Scope{}).value_or(Json(""));
  };
  return {{"path", path}, {"url", url}, {"name", call("name")}, {"stem", call("stem")}, {"ext", call("ext")}};
}

std::string allowed_text(const InputSpec& spec) {
  if (spec.schemes.empty()) return spec.folder ? "give a folder" : "give a local file";
  return std::string("it takes ") + (spec.file ? "local files and " : "") + join(spec.schemes, ", ");
}

Status check_streams(const InputSpec& spec, const MediaInfo& info, const std::string& shown) {
  if (info.streams.empty()) return bad_input("there is no stream in", shown);
  if (!spec.needs.empty() && !info.first(spec.needs))
    return bad_input("there is no " + spec.needs + " in", shown,
                     "it has " + std::to_string(info.streams.size()) + " other stream(s)");
  return {};
}

/// Pictures are known by their headers, without a process for each: a batch of hundreds would pay for that.
std::optional<MediaInfo> picture(const std::string& start, off_t size) {
  const auto header = read_image_header(start);
  if (!header) return std::nullopt;
  MediaInfo info;
  info.format = header->format + "_pipe";
  info.bytes = size;
  MediaStream stream;
  stream.kind = "video";
  stream.codec = header->format == "jpeg" ? "mjpeg" : header->format;
  stream.width = header->width;
  stream.height = header->height;
  info.streams.push_back(stream);
  return info;
}

}  // namespace

std::string absolute_path(const std::string& path) {
  if (path.starts_with("/")) return path;
  char here[4096];
  if (!::getcwd(here, sizeof here)) return path;
  return (std::string(here) == "/" ? "" : std::string(here)) + "/" + path;
}

Result<Json> look_at_input(const InputSpec& spec, const std::string& given) {
  const std::string label = "input " + spec.name + ":";
  if (given.empty() || given.find('\0') != std::string::npos) return bad_input(label, "an empty name");
  struct stat info {};
  const auto scheme = scheme_of(given);
  // A file may have a ':' in its name; it is a file then.
  const bool here = ::stat(given.c_str(), &info) == 0;
  if (scheme && !here) {
    const bool address = given.find("://") == scheme->size();
    if (!address || std::ranges::find(spec.schemes, *scheme) == spec.schemes.end())
      return bad_input(label + " the scheme " + *scheme + ": is not allowed here;", given,
                       allowed_text(spec));
    Json facts = path_facts(given, true);
    facts["bytes"] = nullptr;
    if (spec.probe) {
      TRY(const MediaInfo media, probe_media(given, given));
      TRY_OK(check_streams(spec, media, given));
      facts.update(to_json(media));
    }
    return facts;
  }
  if (!spec.file) return bad_input(label + " not an address:", given, "it takes " + join(spec.schemes, ", "));
  if (!here) return sys_error(label, given);
  if (spec.folder != static_cast<bool>(S_ISDIR(info.st_mode)))
    return bad_input(label, given, spec.folder ? "it is not a folder" : "it is a folder");
  const std::string path = absolute_path(given);
  Json facts = path_facts(path, false);
  facts["bytes"] = static_cast<int64_t>(info.st_size);
  if (spec.folder) return facts;
  if (!S_ISREG(info.st_mode)) return bad_input(label, given, "it is not a regular file");
  auto start = read_file(path, 65536);
  if (!start) return sys_error(label, given, start.error().errnum);
  if (!spec.media) return facts;
  if (start->empty()) return bad_input(label + " the file is empty:", given);
  if (looks_like_playlist(*start))
    return bad_input(label + " a playlist that points elsewhere, not media:", given, "give the media itself");
  if (!spec.probe) return facts;
  auto media = picture(*start, info.st_size);
  if (!media || !spec.many) {
    // One input is worth a look by FFmpeg itself; of many pictures the header is enough.
    TRY(media, probe_media("file:" + path, given));
  }
  TRY_OK(check_streams(spec, *media, given));
  facts.update(to_json(*media));
  return facts;
}

Result<Json> look_at_inputs(const JobType& type, const std::vector<std::string>& given) {
  Json out = Json::object();
  size_t at = 0;
  for (const auto& spec : type.inputs) {
    if (at >= given.size()) {
      if (spec.required)
        return bad_input("input " + spec.name + " is missing;", spec.help,
                         "see ffrtmp job show " + type.name);
      out[spec.name] = spec.many ? Json::array() : Json(nullptr);
      continue;
    }
    if (!spec.many) {
      TRY(out[spec.name], look_at_input(spec, given[at++]));
      continue;
    }
    Json list = Json::array();
    for (; at < given.size(); at++) {
      TRY(Json one, look_at_input(spec, given[at]));
      list.push_back(std::move(one));
    }
    out[spec.name] = std::move(list);
  }
  if (at < given.size())
    return bad_input("one input too many:", given[at],
                     type.inputs.empty() ? type.name + " takes none" : "see ffrtmp job show " + type.name);
  return out;
}

Result<PlannedOutput> plan_output(const OutputSpec& spec, const std::string& given, const std::string& job_id,
                                  const std::vector<std::string>& inputs) {
  PlannedOutput out;
  out.name = spec.name;
  const std::string label = "output " + spec.name + ":";
  const auto scheme = scheme_of(given);
  if (spec.kind == OutputSpec::Kind::url && !(spec.file_too && !scheme)) {
    out.kind = "url";
    if (!scheme || given.find("://") != scheme->size() ||
        std::ranges::find(spec.schemes, *scheme) == spec.schemes.end())
      return bad_input(label + " not an address that is allowed here:", given,
                       "it takes " + join(spec.schemes, ", "));
    out.temp = out.final = given;
    return out;
  }
  struct stat info {};
  if (scheme && given.find("://") == scheme->size())
    return bad_input(label + " the scheme " + *scheme + ": is not allowed here;", given, "give a path");
  std::string path = absolute_path(given);
  while (path.size() > 1 && path.ends_with("/")) path.pop_back();
  const size_t slash = path.rfind('/');
  const std::string folder = slash == 0 ? "/" : path.substr(0, slash), name = path.substr(slash + 1);
  if (name.empty() || name == "." || name == "..") return bad_input(label + " not a name:", given);
  const bool exists = ::stat(path.c_str(), &info) == 0;
  if (::stat(folder.c_str(), &info) != 0 || !S_ISDIR(info.st_mode))
    return sys_error(label + " the folder is missing:", folder, exists ? ENOTDIR : errno, "make it first");
  if (::access(folder.c_str(), W_OK | X_OK) != 0) return sys_error(label + " writing to the folder", folder);
  const std::string ext = path_facts(path, false)["ext"];
  struct stat target {};
  const bool there = ::stat(path.c_str(), &target) == 0;
  if (spec.kind == OutputSpec::Kind::folder) {
    out.kind = "folder";
    if (there && !S_ISDIR(target.st_mode)) return bad_input(label, given, "it is a file; a folder is made");
    if (there && ::access(path.c_str(), W_OK | X_OK) != 0)
      return sys_error(label + " writing to the folder", path);
    out.temp = folder + "/.ffrtmp-" + job_id + ".d";
  } else {
    out.kind = spec.kind == OutputSpec::Kind::text ? "text" : "file";
    if (there && S_ISDIR(target.st_mode))
      return bad_input(label, given, "it is a folder; give the name of a file");
    if (there && !S_ISREG(target.st_mode)) return bad_input(label, given, "it is not a regular file");
    if (!spec.extensions.empty() && std::ranges::find(spec.extensions, ext) == spec.extensions.end())
      return bad_input(
          label + (ext.empty() ? " no extension in" : " the extension ." + ext + " is not made here:"), given,
          "it makes " + join(spec.extensions, ", "));
    out.temp = folder + "/.ffrtmp-" + job_id + (ext.empty() ? "" : "." + ext);
  }
  for (const auto& input : inputs) {
    struct stat source {};
    if (there && ::stat(input.c_str(), &source) == 0 && source.st_dev == target.st_dev &&
        source.st_ino == target.st_ino)
      return bad_input(label + " it is the input itself:", given,
                       "the source is never touched; give another name");
  }
  out.final = path;
  return out;
}

}  // namespace ffrtmp
