#include "jobs/job_id.h"

#include <sys/random.h>

#include <algorithm>
#include <cctype>

#include "sys/clock.h"

namespace ffrtmp {

namespace {

constexpr size_t kLongest = 64;

// Not std::isalnum: that asks the locale.
bool letter_or_digit(char c) {
  return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9');
}
bool id_char(char c) { return letter_or_digit(c) || c == '.' || c == '_' || c == '-'; }

}  // namespace

Status check_job_id(const std::string& id) {
  if (!id.empty() && id.size() <= kLongest && letter_or_digit(id[0]) && std::ranges::all_of(id, id_char))
    return {};
  const std::string shown = "\"" + id.substr(0, kLongest + 16) + "\"";
  return bad_input("not a job id:", shown,
                   id.size() > kLongest
                       ? "it is longer than 64 characters"
                       : "use letters, digits, '.', '_' and '-', starting with a letter or digit");
}

std::string make_job_id(const std::string& command) {
  std::string name = command.substr(command.rfind('/') + 1).substr(0, 24);
  std::erase_if(name, [](char c) { return !id_char(c); });
  while (!name.empty() && !letter_or_digit(name[0])) name.erase(0, 1);
  if (name.empty()) name = "job";
  // 2026-01-31T08:15:30.125Z
  const std::string now = rfc3339(wall_now());
  const std::string stamp = "-" + now.substr(0, 4) + now.substr(5, 2) + now.substr(8, 2) + "-" +
                            now.substr(11, 2) + now.substr(14, 2) + now.substr(17, 2) + "-";
  unsigned char chance[4] = {};
  (void)!::getrandom(chance, sizeof chance, 0);
  constexpr char kAlphabet[] = "abcdefghjkmnpqrstuvwxyz23456789";
  std::string out = name + stamp;
  for (const unsigned char c : chance) out += kAlphabet[c % (sizeof kAlphabet - 1)];
  return out;
}

}  // namespace ffrtmp
