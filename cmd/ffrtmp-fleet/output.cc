#include "output.h"

#include <algorithm>
#include <iostream>

#include "sys/text.h"

namespace ffrtmp::fleet {

Result<Json> ask(client::HttpClient& http, const std::string& method, const std::string& path,
                 const Json& body) {
  const std::string text = body.is_null() ? "" : dump_json(body);
  TRY(const client::Answer answer, http.request(method, path, text, {{"Content-Type", "application/json"}}));
  const auto parsed = parse_json(answer.body, "the master's answer");
  if (answer.status < 400) {
    if (!parsed) return std::unexpected(parsed.error());
    return *parsed;
  }
  std::string what = "the master answered " + std::to_string(answer.status);
  if (parsed && parsed->is_object()) {
    what = parsed->value("detail", parsed->value("title", what));
    if (const auto errors = parsed->find("errors"); errors != parsed->end())
      for (const Json& error : *errors)
        what += "; " + error.value("field", "") + " " + error.value("detail", "");
  }
  return bad_input(printable(what), "");
}

void print_table(const std::vector<std::string>& titles, const std::vector<std::vector<std::string>>& rows) {
  std::vector<size_t> widths;
  for (const auto& title : titles) widths.push_back(title.size());
  for (const auto& row : rows)
    for (size_t i = 0; i < row.size(); i++) widths[i] = std::max(widths[i], row[i].size());
  const auto line = [&](const std::vector<std::string>& row) {
    std::string out;
    for (size_t i = 0; i < row.size(); i++) {
      out += row[i];
      if (i + 1 < row.size()) out += std::string(widths[i] - row[i].size() + 2, ' ');
    }
    std::cout << out << "\n";
  };
  line(titles);
  for (const auto& row : rows) line(row);
}

std::string cell(const Json& object, const char* field) {
  const auto found = object.find(field);
  if (found == object.end() || found->is_null()) return "-";
  return printable(found->is_string() ? found->get<std::string>() : found->dump());
}

std::string encode(const std::string& text) {
  constexpr char kDigits[] = "0123456789ABCDEF";
  std::string out;
  for (const char c : text) {
    if ((c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '-' || c == '.' ||
        c == '_') {
      out += c;
    } else {
      out += '%';
      out += kDigits[static_cast<unsigned char>(c) >> 4];
      out += kDigits[static_cast<unsigned char>(c) & 15];
    }
  }
  return out;
}

}  // namespace ffrtmp::fleet
