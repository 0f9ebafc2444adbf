#include "sys/redact.h"

#include <algorithm>
#include <array>
#include <cctype>

#include "sys/text.h"

namespace ffrtmp {

namespace {

constexpr std::string_view kHidden = "***";
constexpr std::string_view kBlank = " \t\r\n";
constexpr std::string_view kQuotes = "'\"";

std::string lower(std::string_view text) {
  std::string out(text);
  std::ranges::transform(out, out.begin(),
                         [](unsigned char c) { return static_cast<char>(std::tolower(c)); });
  return out;
}

/// "auth" and "authorization", but not "author".
bool speaks_of_auth(const std::string& name) {
  for (size_t at = name.find("auth"); at != std::string::npos; at = name.find("auth", at + 1))
    if (name.compare(at + 4, 2, "or") != 0 || name.compare(at + 4, 4, "oriz") == 0) return true;
  return false;
}

/// A name of an option, query parameter, header or variable whose value is a secret.
/// `assigned`: it stands before a '=', where "pass" is a password and not FFmpeg's -pass 1.
bool secret_name(std::string_view raw, bool assigned) {
  const std::string name = lower(raw);
  constexpr std::array kParts = {"passw",      "passphrase", "secret",    "token",  "signature",
                                 "credential", "apikey",     "cookie",    "x-amz-", "streamid",
                                 "streamkey",  "privatekey", "accesskey", "tcurl",  "rtmp_conn",
                                 "session",    "srtp_",      "bearer"};
  constexpr std::array kWhole = {"key",    "sig",  "pwd",  "pw",  "sas",      "hdnts",        "hdnea",
                                 "policy", "user", "sign", "jwt", "playpath", "rtmp_playpath"};
  constexpr std::array kEndings = {"_key", "-key", "_pw", "-pw"};
  if (assigned && name == "pass") return true;
  for (const char* part : kParts)
    if (name.find(part) != std::string::npos) return true;
  for (const char* ending : kEndings)
    if (name.ends_with(ending)) return true;
  return speaks_of_auth(name) || std::ranges::find(kWhole, name) != kWhole.end();
}

/// "NAME: value" in a header or a log line. Single words that prose puts before a colon ("key:", "user:") are
/// none.
bool secret_header(std::string_view name) {
  const std::string small = lower(name);
  constexpr std::array kWords = {"authoriz", "cookie", "token", "passw", "passphrase", "secret"};
  if (small.find('-') != std::string::npos) return secret_name(small, false);
  return std::ranges::any_of(kWords, [&](const char* word) { return small.find(word) != std::string::npos; });
}

bool name_char(char c) {
  return std::isalnum(static_cast<unsigned char>(c)) || c == '_' || c == '-' || c == '.';
}
bool scheme_char(char c) {
  return std::isalnum(static_cast<unsigned char>(c)) || c == '+' || c == '-' || c == '.';
}

std::string redact_query(std::string_view query) {
  std::string out;
  for (std::string_view pair : split(query, '&')) {
    if (!out.empty()) out += '&';
    const size_t equals = pair.find('=');
    if (equals == std::string_view::npos || !secret_name(pair.substr(0, equals), true))
      out += pair;
    else
      out += std::string(pair.substr(0, equals + 1)) + std::string(kHidden);
  }
  return out;
}

/// One URL, from its scheme to its end.
std::string redact_url(std::string_view url) {
  const size_t colon = url.find("://");
  const std::string scheme = lower(url.substr(0, colon));
  std::string_view rest = url.substr(colon + 3);
  std::string out(url.substr(0, colon + 3));

  const size_t host_end = std::min(rest.find_first_of("/?#"), rest.size());
  std::string_view authority = rest.substr(0, host_end);
  rest.remove_prefix(host_end);
  if (const size_t at = authority.rfind('@'); at != std::string_view::npos) {
    out += std::string(kHidden) + "@";
    authority.remove_prefix(at + 1);
  }
  out += authority;

  const std::string_view path = rest.substr(0, std::min(rest.find_first_of("?#"), rest.size()));
  rest.remove_prefix(path.size());
  if (scheme.starts_with("rtmp") && path.size() > 1) {
    // rtmp://host/app/KEY: everything after the application is the key, whatever its shape.
    const size_t app_end = path.find('/', 1);
    if (app_end != std::string_view::npos && app_end + 1 < path.size())
      return out + std::string(path.substr(0, app_end + 1)) + std::string(kHidden);
  }
  out += path;
  if (rest.starts_with("?")) {
    const size_t hash = std::min(rest.find('#'), rest.size());
    out += "?" + redact_query(rest.substr(1, hash - 1));
    rest.remove_prefix(hash);
  }
  // A fragment may carry a token and never matters to a reader of a process list.
  if (rest.size() > 1) out += "#" + std::string(kHidden);
  return out;
}

/// Every URL in a word. The tee muxer and filters put several in one; '|', ']' and quotes part them, but not
/// inside user:password@, where FFmpeg takes any character.
std::string redact_urls(std::string_view text) {
  std::string out;
  while (!text.empty()) {
    const size_t found = text.find("://");
    if (found == std::string_view::npos) break;
    size_t start = found;
    while (start > 0 && scheme_char(text[start - 1])) start--;
    const size_t authority = found + 3;
    const size_t authority_end = std::min(text.find_first_of("/?#", authority), text.size());
    const size_t at = text.substr(authority, authority_end - authority).rfind('@');
    const size_t end = std::min(
        text.find_first_of("|]'\"", at == std::string_view::npos ? authority : authority + at), text.size());
    out += text.substr(0, start);
    out += start == found ? std::string(text.substr(start, end - start))
                          : redact_url(text.substr(start, end - start));
    text.remove_prefix(end);
  }
  return out + std::string(text);
}

/// "Authorization: Bearer KEY", "Cookie: …", wherever they stand: hidden to the end of the line or of the
/// quotes.
std::string redact_headers(std::string_view text) {
  std::string out;
  for (;;) {
    size_t colon = text.find(':');
    size_t name = std::string_view::npos;
    for (; colon != std::string_view::npos; colon = text.find(':', colon + 1)) {
      name = colon;
      while (name > 0 && name_char(text[name - 1])) name--;
      const bool at_start = name == 0 || kBlank.find(text[name - 1]) != std::string_view::npos ||
                            kQuotes.find(text[name - 1]) != std::string_view::npos || text[name - 1] == '=';
      const bool url = colon + 1 < text.size() && text[colon + 1] == '/';
      if (at_start && !url && name < colon && secret_header(text.substr(name, colon - name))) break;
    }
    if (colon == std::string_view::npos) return out + std::string(text);
    const char quote =
        name > 0 && kQuotes.find(text[name - 1]) != std::string_view::npos ? text[name - 1] : '\n';
    const size_t end = std::min({text.find_first_of("\r\n", colon), text.find(quote, colon), text.size()});
    out += std::string(text.substr(0, colon + 1)) + " " + std::string(kHidden);
    text.remove_prefix(end);
  }
}

/// NAME=VALUE at the start of `text`: its length with the value hidden in `out`; 0 when it is no secret.
size_t redact_assignment(std::string_view text, std::string& out) {
  size_t name = 0;
  while (name < text.size() && name_char(text[name])) name++;
  if (name == 0 || name >= text.size() || text[name] != '=') return 0;
  const size_t dashes = std::min(name, text.find_first_not_of('-'));
  if (!secret_name(text.substr(dashes, name - dashes), true)) return 0;
  out += std::string(text.substr(0, name + 1)) + std::string(kHidden);
  size_t end = name + 1;
  if (end < text.size() && kQuotes.find(text[end]) != std::string_view::npos) {
    const size_t close = text.find(text[end], end + 1);
    return close == std::string_view::npos ? text.size() : close + 1;
  }
  return std::min(text.find_first_of(kBlank, end), text.size());
}

/// An option whose value stands in the next word: "-password", "--token". "-key=…" carries its own.
bool hides_next(std::string_view word) {
  const size_t name = word.find_first_not_of('-');
  return word.starts_with("-") && name != std::string_view::npos &&
         word.find('=') == std::string_view::npos && secret_name(word.substr(name), false);
}

/// Word by word: assignments, URLs, and the words after telling options.
std::string redact_words(std::string_view text) {
  std::string out;
  bool hide_next = false;
  while (!text.empty()) {
    if (kBlank.find(text[0]) != std::string_view::npos) {
      out += text[0];
      text.remove_prefix(1);
      continue;
    }
    const size_t end = std::min(text.find_first_of(kBlank), text.size());
    const std::string_view word = text.substr(0, end);
    if (hide_next) {
      out += kHidden;
      hide_next = false;
      text.remove_prefix(end);
    } else if (const size_t assigned = redact_assignment(text, out); assigned > 0) {
      text.remove_prefix(assigned);
    } else {
      out += redact_urls(word);
      hide_next = hides_next(word);
      text.remove_prefix(end);
    }
  }
  return out;
}

}  // namespace

std::string redact_text(std::string_view text) { return redact_words(redact_headers(text)); }

std::string redact(std::string_view argument) { return redact_text(argument); }

std::vector<std::string> redact(const std::vector<std::string>& argv) {
  std::vector<std::string> out;
  bool hide_next = false;
  for (const auto& argument : argv) {
    out.push_back(hide_next ? std::string(kHidden) : redact(argument));
    hide_next = !hide_next && hides_next(argument);
  }
  return out;
}

}  // namespace ffrtmp
