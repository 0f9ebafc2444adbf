#include "watch/rules.h"

#include <fcntl.h>

#include "sys/file.h"
#include "sys/text.h"

namespace ffrtmp {

Result<std::set<uid_t>> uids_of(const std::vector<std::string>& users) {
  std::set<uid_t> out;
  const std::string passwd = users.empty() ? "" : read_or_empty(AT_FDCWD, "/etc/passwd");
  for (const auto& user : users) {
    auto uid = parse_u64(user);
    // A static program has no name service: users of a directory (LDAP) are given by number.
    for (const auto line : lines(passwd)) {
      const auto field = split(line, ':');
      if (!uid && field.size() > 2 && field[0] == user) uid = parse_u64(field[2]);
    }
    if (!uid || *uid >= UINT32_MAX)
      return bad_input("no such user:", user, "give a name from /etc/passwd, or a number");
    out.insert(static_cast<uid_t>(*uid));
  }
  return out;
}

Result<WatchConfig> load_watch(const std::string& path) {
  TRY(const std::string text, read_file(path));
  return parse_watch(text, path);
}

std::string limits_text(const WatchRule& rule) {
  std::vector<std::string> out;
  for (const auto& limit : rule.limits)
    out.push_back(std::string(limit_name(limit.kind)) + " " + format_limit(limit.kind, limit.value));
  return out.empty() ? "no limits" : join(out, ", ");
}

std::string describe(const WatchRule& rule) {
  if (rule.leave_alone) return "rule " + rule.name + ": " + join(rule.targets, ", ") + "; left alone";
  return "rule " + rule.name + ": " + join(rule.targets, ", ") + "; " +
         (rule.profile.empty() ? "" : "profile " + rule.profile + ", ") + limits_text(rule);
}

}  // namespace ffrtmp
