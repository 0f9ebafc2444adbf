#include "sys/json_reader.h"

#include <algorithm>
#include <cmath>

#include "sys/clock.h"
#include "sys/text.h"

namespace ffrtmp {

ObjectReader::ObjectReader(const Json& json, std::string path, FieldErrors& errors)
    : path_(std::move(path)), errors_(errors) {
  if (json.is_object())
    json_ = &json;
  else
    errors_.push_back({path_.empty() ? "(body)" : path_, "must be an object"});
}

std::string ObjectReader::path(std::string_view name) const {
  return path_.empty() ? std::string(name) : path_ + "." + std::string(name);
}

void ObjectReader::error(std::string_view name, std::string detail) {
  errors_.push_back({path(name), std::move(detail)});
}

void ObjectReader::missing(std::string_view name, std::string detail) {
  const std::string where = path(name);
  if (std::ranges::none_of(errors_, [&](const FieldError& told) { return told.field == where; }))
    error(name, std::move(detail));
}

const Json* ObjectReader::find(std::string_view name) {
  known_.emplace_back(name);
  if (json_ == nullptr) return nullptr;
  const auto found = json_->find(std::string(name));
  return found == json_->end() ? nullptr : &*found;
}

bool ObjectReader::has(std::string_view name) { return find(name) != nullptr; }

std::string ObjectReader::text(std::string_view name, size_t least, size_t most, std::string fallback) {
  const Json* value = find(name);
  if (value == nullptr) {
    if (least > 0) error(name, "is required");
    return fallback;
  }
  if (!value->is_string()) {
    error(name, "must be a string");
    return fallback;
  }
  auto out = value->get<std::string>();
  if (out.size() < least || out.size() > most)
    error(name, "must have " + std::to_string(least) + " to " + std::to_string(most) + " bytes");
  else if (out.find('\0') != std::string::npos)
    error(name, "must not contain a zero byte");
  else
    return out;
  return fallback;
}

std::string ObjectReader::choice(std::string_view name, const std::vector<std::string>& among,
                                 std::string fallback) {
  const std::string out = text(name, 0, 64, fallback);
  if (out == fallback || std::ranges::find(among, out) != among.end()) return out;
  const auto near = nearest(out, among);
  error(name, "must be one of " + join(among, ", ") + (near ? "; did you mean \"" + *near + "\"?" : ""));
  return fallback;
}

int64_t ObjectReader::whole(std::string_view name, int64_t least, int64_t most, int64_t fallback) {
  const Json* value = find(name);
  if (value == nullptr) return fallback;
  if (!value->is_number_integer() || (value->is_number_unsigned() && value->get<uint64_t>() > INT64_MAX)) {
    error(name, "must be a whole number");
    return fallback;
  }
  const auto out = value->get<int64_t>();
  if (out >= least && out <= most) return out;
  error(name, "must be " + std::to_string(least) + " to " + std::to_string(most));
  return fallback;
}

int64_t ObjectReader::milli(std::string_view name, double least, double most, int64_t fallback) {
  const Json* value = find(name);
  if (value == nullptr) return fallback;
  if (!value->is_number()) {
    error(name, "must be a number");
    return fallback;
  }
  const auto out = value->get<double>();
  if (out >= least && out <= most) return std::llround(out * 1000);
  error(name, "must be " + std::to_string(std::llround(least)) + " to " + std::to_string(std::llround(most)));
  return fallback;
}

bool ObjectReader::flag(std::string_view name, bool fallback) {
  const Json* value = find(name);
  if (value == nullptr) return fallback;
  if (value->is_boolean()) return value->get<bool>();
  error(name, "must be true or false");
  return fallback;
}

int64_t ObjectReader::moment(std::string_view name) {
  std::string value = text(name, 0, 40);
  if (value.empty()) return 0;
  if (value.size() == 20 && value.back() == 'Z') value.insert(19, ".000");
  const WallTime time = parse_rfc3339(value);
  if (value.size() == 24 && value.back() == 'Z' && time.ns > 0) return time.ns / 1'000'000;
  error(name, "must be a moment in UTC such as 2026-01-31T08:15:30Z");
  return 0;
}

std::vector<std::string> ObjectReader::texts(std::string_view name, size_t most_items, size_t most_bytes) {
  std::vector<std::string> out;
  const Json* list = array(name, most_items);
  if (list == nullptr) return out;
  for (const Json& item : *list) {
    if (item.is_string() && !item.get_ref<const std::string&>().empty() &&
        item.get_ref<const std::string&>().size() <= most_bytes) {
      out.push_back(item.get<std::string>());
    } else {
      error(name, "must hold strings of 1 to " + std::to_string(most_bytes) + " bytes");
      return {};
    }
  }
  return out;
}

std::vector<std::pair<std::string, std::string>> ObjectReader::pairs(std::string_view name, size_t most_items,
                                                                     size_t most_bytes) {
  std::vector<std::pair<std::string, std::string>> out;
  const Json* map = object(name);
  if (map == nullptr) return out;
  if (map->size() > most_items) error(name, "must have at most " + std::to_string(most_items) + " entries");
  for (const auto& [key, value] : map->items()) {
    if (key.empty() || key.size() > most_bytes || !value.is_string() ||
        value.get_ref<const std::string&>().size() > most_bytes)
      error(std::string(name) + "." + printable(key.substr(0, 40)),
            "must be a string of at most " + std::to_string(most_bytes) + " bytes");
    else
      out.emplace_back(key, value.get<std::string>());
  }
  return out;
}

const Json* ObjectReader::object(std::string_view name) {
  const Json* value = find(name);
  if (value == nullptr || value->is_object()) return value;
  error(name, "must be an object");
  return nullptr;
}

const Json* ObjectReader::array(std::string_view name, size_t most_items) {
  const Json* value = find(name);
  if (value == nullptr) return nullptr;
  if (!value->is_array())
    error(name, "must be a list");
  else if (value->size() > most_items)
    error(name, "must have at most " + std::to_string(most_items) + " items");
  else
    return value;
  return nullptr;
}

const Json* ObjectReader::any(std::string_view name) { return find(name); }

void ObjectReader::done() {
  if (json_ == nullptr) return;
  for (const auto& [key, value] : json_->items()) {
    if (std::ranges::find(known_, key) != known_.end()) continue;
    const auto near = nearest(key, known_);
    error(printable(key.substr(0, 60)),
          near ? "is not known; did you mean \"" + *near + "\"?" : "is not known");
  }
}

namespace {
/// Refuses nesting before the parser builds anything; strings are skipped as JSON reads them.
bool too_deep(std::string_view text, int most) {
  int depth = 0;
  for (size_t i = 0; i < text.size(); i++) {
    const char c = text[i];
    if (c == '"') {
      for (i++; i < text.size() && text[i] != '"'; i++)
        if (text[i] == '\\') i++;
    } else if (c == '{' || c == '[') {
      if (++depth > most) return true;
    } else if (c == '}' || c == ']') {
      depth--;
    }
  }
  return false;
}
}  // namespace

Result<Json> parse_strange_json(std::string_view text, int depth) {
  if (too_deep(text, depth))
    return bad_input("the JSON is nested too deeply", "", "at most " + std::to_string(depth) + " levels");
  // The only place where the parser's exception is wanted: it knows the byte.
  try {
    return Json::parse(text.begin(), text.end());
  } catch (const Json::parse_error& error) {
    const size_t at = std::min(error.byte == 0 ? 0 : error.byte - 1, text.size());
    const std::string_view before = text.substr(0, at);
    const size_t line = static_cast<size_t>(std::ranges::count(before, '\n')) + 1;
    const size_t start = before.rfind('\n');
    const size_t column = at - (start == std::string_view::npos ? 0 : start + 1) + 1;
    return bad_input("not JSON at", "line " + std::to_string(line) + ", column " + std::to_string(column));
  } catch (const Json::exception&) {
    return bad_input("not JSON:", "a number is out of range");
  }
}

}  // namespace ffrtmp
