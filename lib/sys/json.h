#pragma once

#include <nlohmann/json.hpp>
#include <optional>

#include "sys/result.h"

// Compiled once, in json.cc: otherwise every file that touches JSON makes its own copy, which is a fifth of
// the build's time.
extern template class nlohmann::basic_json<nlohmann::ordered_map>;

namespace ffrtmp {

/// JSON with its keys in the order they were written, so that records read like documents.
using Json = nlohmann::ordered_json;

/// Never throws; the error names `what`.
Result<Json> parse_json(const std::string& text, const std::string& what);
/// The text at a key; `otherwise` where there is none or it is no text. Never throws, whatever others wrote
/// there: nlohmann's own value() throws on a wrong type.
std::string text_or(const Json& json, const std::string& key, const std::string& otherwise = "");
/// The whole, non-negative number at a key; `otherwise` where there is none. Never throws. (nlohmann's own
/// value() converts any number, and a double that does not fit is undefined behaviour.)
uint64_t whole_or(const Json& json, const std::string& key, uint64_t otherwise);
/// What stands at a key, or null. Never throws.
const Json& at_or_null(const Json& json, const std::string& key);
/// The value, or null where there is none.
template <class T>
Json or_null(const std::optional<T>& value) {
  return value ? Json(*value) : Json(nullptr);
}
/// Invalid UTF-8 (a file name, say) becomes U+FFFD rather than an exception.
std::string dump_json(const Json& json, int indent = -1);

}  // namespace ffrtmp
