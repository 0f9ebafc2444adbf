#include "sys/toml_reader.h"

#include <algorithm>
#include <cmath>

#include "sys/text.h"

namespace ffrtmp {

Result<toml::table> parse_toml(const std::string& text, const std::string& source) {
  // toml++ 3.3 asserts on some control characters and runs into undefined behaviour on some characters beyond
  // ASCII: nothing that we read needs either.
  unsigned line = 1, column = 1;
  for (const char c : text) {
    const auto byte = static_cast<unsigned char>(c);
    if ((byte < 0x20 && c != '\t' && c != '\n' && c != '\r') || byte >= 0x7f)
      return bad_input(source + ":" + std::to_string(line) + ":" + std::to_string(column) + ":",
                       byte >= 0x80 ? "a character beyond ASCII" : "a control character",
                       "write \\uXXXX in quoted text");
    if (c == '\n')
      line++, column = 1;
    else
      column++;
  }
  toml::parse_result parsed = toml::parse(text, source);
  if (!parsed) {
    const auto& begin = parsed.error().source().begin;
    return bad_input(source + ":" + std::to_string(begin.line) + ":" + std::to_string(begin.column) + ":",
                     std::string(parsed.error().description()));
  }
  return std::move(parsed).table();
}

std::string value_text(const toml::node& node) {
  if (const auto* text = node.as_string()) return text->get();
  if (const auto* number = node.as_integer()) return std::to_string(number->get());
  return "";
}

SourcePlace place_of(const toml::node& node) {
  return {static_cast<unsigned>(node.source().begin.line), static_cast<unsigned>(node.source().begin.column)};
}

std::vector<std::pair<std::string, const toml::node*>> in_file_order(const toml::table& table) {
  std::vector<std::pair<std::string, const toml::node*>> out;
  for (const auto& [key, node] : table) out.emplace_back(std::string(key.str()), &node);
  const auto at = [](const toml::node* node) {
    const auto& begin = node->source().begin;
    return std::pair(begin.line, begin.column);
  };
  std::ranges::stable_sort(out, [&](const auto& a, const auto& b) { return at(a.second) < at(b.second); });
  return out;
}

std::unexpected<Error> TomlReader::error(SourcePlace place, const std::string& what,
                                         const std::string& hint) const {
  return bad_input(source_ + ":" + std::to_string(place.line) + ":" + std::to_string(place.column) + ":",
                   what, hint);
}
std::unexpected<Error> TomlReader::error_at(std::string_view key, const std::string& what,
                                            const std::string& hint) const {
  const toml::node* node = table_.get(key);
  return error(node ? place_of(*node) : place_, what, hint);
}

const toml::node* TomlReader::find(std::string_view key) {
  known_.emplace_back(key);
  return table_.get(key);
}

Result<std::string> TomlReader::text(std::string_view key, const std::string& fallback) {
  const toml::node* node = find(key);
  if (!node) return fallback;
  if (!node->is_string()) return error(place_of(*node), path_of(key) + " is text in quotes");
  return node->as_string()->get();
}
Result<std::string> TomlReader::needed_text(std::string_view key) {
  TRY(std::string out, text(key));
  if (out.empty()) return error_at(key, path_of(key) + " is missing");
  return out;
}
Result<bool> TomlReader::flag(std::string_view key, bool fallback) {
  const toml::node* node = find(key);
  if (!node) return fallback;
  if (!node->is_boolean()) return error(place_of(*node), path_of(key) + " is true or false");
  return node->as_boolean()->get();
}
Result<std::optional<double>> TomlReader::number(std::string_view key) {
  const toml::node* node = find(key);
  if (!node) return std::optional<double>();
  if (const auto* whole_number = node->as_integer())
    return std::optional<double>(static_cast<double>(whole_number->get()));
  if (const auto* real = node->as_floating_point(); real && std::isfinite(real->get()))
    return std::optional<double>(real->get());
  return error(place_of(*node), path_of(key) + " is a number");
}
Result<int64_t> TomlReader::whole(std::string_view key, int64_t fallback) {
  const toml::node* node = find(key);
  if (!node) return fallback;
  if (!node->is_integer()) return error(place_of(*node), path_of(key) + " is a whole number");
  return node->as_integer()->get();
}
Result<std::optional<Duration>> TomlReader::duration(std::string_view key) {
  TRY(const std::string given, text(key));
  if (given.empty()) return std::optional<Duration>();
  const auto parsed = parse_duration(given);
  if (!parsed) return error_at(key, path_of(key) + ": " + parsed.error().message());
  return std::optional<Duration>(*parsed);
}
Result<std::vector<std::string>> TomlReader::texts(std::string_view key) {
  const toml::node* node = find(key);
  std::vector<std::string> out;
  if (!node) return out;
  if (!node->is_array()) return error(place_of(*node), path_of(key) + " is a list of texts");
  for (const auto& item : *node->as_array()) {
    if (!item.is_string()) return error(place_of(item), path_of(key) + " is a list of texts");
    out.push_back(item.as_string()->get());
  }
  return out;
}
Result<const toml::table*> TomlReader::table(std::string_view key) {
  const toml::node* node = find(key);
  if (!node) return nullptr;
  if (!node->is_table()) return error(place_of(*node), path_of(key) + " is a table");
  return node->as_table();
}
Result<const toml::array*> TomlReader::array(std::string_view key) {
  const toml::node* node = find(key);
  if (!node) return nullptr;
  if (!node->is_array()) return error(place_of(*node), path_of(key) + " is a list");
  return node->as_array();
}
Status TomlReader::only(std::vector<std::string> keys) const {
  TomlReader reader(table_, source_, path_, place_);
  reader.known_ = std::move(keys);
  return reader.done();
}

Status TomlReader::done() const {
  for (const auto& [key, node] : in_file_order(table_)) {
    if (std::ranges::find(known_, key) != known_.end()) continue;
    const auto near = nearest(key, known_);
    return error(place_of(*node), "unknown key " + path_of(key),
                 near ? "did you mean " + *near + "?" : "there are " + join(known_, ", "));
  }
  return {};
}

}  // namespace ffrtmp
