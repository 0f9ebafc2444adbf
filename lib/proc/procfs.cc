#include "proc/procfs.h"

#include "sys/text.h"

namespace ffrtmp {

std::optional<ProcStat> parse_stat(std::string_view text) {
  // The name is in parentheses and may itself hold ") (": everything up to the last ')' is name.
  const size_t open = text.find('(');
  const size_t close = text.rfind(')');
  if (open == std::string_view::npos || close == std::string_view::npos || close < open) return std::nullopt;
  const auto pid = parse_i64(trim(text.substr(0, open)));
  const auto field = words(text.substr(close + 1));
  // field[0] is field 3 of proc(5); the start time is field 22.
  constexpr size_t kFirst = 3;
  if (!pid || field.size() < 22 - kFirst + 1 || field[0].size() != 1) return std::nullopt;
  const auto number = [&](size_t n) { return parse_i64(field[n - kFirst]).value_or(0); };
  ProcStat out;
  out.pid = static_cast<pid_t>(*pid);
  out.comm = text.substr(open + 1, close - open - 1);
  out.state = field[0][0];
  out.ppid = static_cast<pid_t>(number(4));
  out.pgrp = static_cast<pid_t>(number(5));
  out.session = static_cast<pid_t>(number(6));
  out.flags = static_cast<uint64_t>(number(9));
  out.utime_ticks = static_cast<uint64_t>(number(14));
  out.stime_ticks = static_cast<uint64_t>(number(15));
  out.nice = static_cast<int>(number(19));
  out.threads = static_cast<uint64_t>(number(20));
  const auto start = parse_u64(field[22 - kFirst]);
  if (!start) return std::nullopt;
  out.start_ticks = *start;
  return out;
}

std::vector<CgroupLine> parse_proc_cgroup(std::string_view text) {
  std::vector<CgroupLine> out;
  for (std::string_view line : lines(text)) {
    const size_t first = line.find(':');
    const size_t second = first == std::string_view::npos ? first : line.find(':', first + 1);
    if (second == std::string_view::npos) continue;
    const auto hierarchy = parse_u64(line.substr(0, first));
    const std::string_view path = line.substr(second + 1);
    if (!hierarchy || *hierarchy > INT32_MAX || !path.starts_with('/')) continue;
    CgroupLine entry;
    entry.hierarchy = static_cast<int>(*hierarchy);
    for (std::string_view name : split(line.substr(first + 1, second - first - 1), ','))
      if (!name.empty()) entry.controllers.emplace_back(name);
    entry.path = path;
    out.push_back(std::move(entry));
  }
  return out;
}

namespace {

/// mountinfo writes blank, tab, newline and backslash as \ooo.
std::string unescape_octal(std::string_view text) {
  std::string out;
  for (size_t i = 0; i < text.size(); i++) {
    const auto digit = [&](size_t at) { return at < text.size() && text[at] >= '0' && text[at] <= '7'; };
    if (text[i] == '\\' && digit(i + 1) && digit(i + 2) && digit(i + 3)) {
      out += static_cast<char>((text[i + 1] - '0') * 64 + (text[i + 2] - '0') * 8 + (text[i + 3] - '0'));
      i += 3;
    } else {
      out += text[i];
    }
  }
  return out;
}

}  // namespace

std::vector<Mount> parse_mountinfo(std::string_view text) {
  std::vector<Mount> out;
  for (std::string_view line : lines(text)) {
    // One blank between fields, and nothing in one that is not escaped: an empty source is an empty field.
    const auto field = split(line, ' ');
    // id parent maj:min root mount_point options [optional...] - type source super_options
    size_t dash = 6;
    while (dash < field.size() && field[dash] != "-") dash++;
    if (field.size() < 7 || dash + 2 >= field.size()) continue;
    const auto device = split(field[2], ':');
    const auto major = device.size() == 2 ? parse_u64(device[0]) : std::nullopt;
    const auto minor = device.size() == 2 ? parse_u64(device[1]) : std::nullopt;
    if (!major || !minor) continue;
    Mount mount;
    mount.id = parse_u64(field[0]).value_or(0);
    mount.major = static_cast<unsigned>(*major);
    mount.minor = static_cast<unsigned>(*minor);
    mount.root = unescape_octal(field[3]);
    mount.mount_point = unescape_octal(field[4]);
    for (std::string_view option : split(field[5], ',')) mount.read_only |= option == "ro";
    mount.fs_type = field[dash + 1];
    mount.source = unescape_octal(field[dash + 2]);
    if (dash + 3 < field.size())
      for (std::string_view option : split(field[dash + 3], ',')) mount.super_options.emplace_back(option);
    out.push_back(std::move(mount));
  }
  return out;
}

std::optional<uint64_t> keyed_value(std::string_view text, std::string_view key) {
  for (std::string_view line : lines(text)) {
    const auto part = words(line);
    if (part.size() == 2 && part[0] == key) return parse_u64(part[1]);
  }
  return std::nullopt;
}

std::optional<uint64_t> pressure_total(std::string_view text, std::string_view wanted) {
  for (std::string_view line : lines(text)) {
    const auto part = words(line);
    if (part.empty() || part[0] != wanted) continue;
    for (std::string_view item : part)
      if (item.starts_with("total=")) return parse_u64(item.substr(6));
  }
  return std::nullopt;
}

std::optional<uint64_t> colon_value(std::string_view text, std::string_view key) {
  for (std::string_view line : lines(text)) {
    const size_t colon = line.find(':');
    if (colon != std::string_view::npos && line.substr(0, colon) == key)
      return parse_u64(trim(line.substr(colon + 1)));
  }
  return std::nullopt;
}

}  // namespace ffrtmp
