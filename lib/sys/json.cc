#include "sys/json.h"

template class nlohmann::basic_json<nlohmann::ordered_map>;

namespace ffrtmp {

Result<Json> parse_json(const std::string& text, const std::string& what) {
  Json json = Json::parse(text, nullptr, /*allow_exceptions=*/false);
  if (json.is_discarded()) return bad_input("not JSON:", what);
  return json;
}

const Json& at_or_null(const Json& json, const std::string& key) {
  static const Json null;
  if (!json.is_object()) return null;
  const auto found = json.find(key);
  return found == json.end() ? null : *found;
}

std::string text_or(const Json& json, const std::string& key, const std::string& otherwise) {
  const Json& value = at_or_null(json, key);
  return value.is_string() ? value.get<std::string>() : otherwise;
}

uint64_t whole_or(const Json& json, const std::string& key, uint64_t otherwise) {
  const Json& value = at_or_null(json, key);
  return value.is_number_unsigned() ? value.get<uint64_t>() : otherwise;
}

std::string dump_json(const Json& json, int indent) {
  return json.dump(indent, ' ', false, Json::error_handler_t::replace);
}

}  // namespace ffrtmp
