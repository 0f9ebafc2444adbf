#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "sys/json.h"

namespace ffrtmp {

/// One thing wrong with a document: where, and how to mend it.
struct FieldError {
  std::string field;  ///< a path such as "jobs[2].require.cores"
  std::string detail;
};
using FieldErrors = std::vector<FieldError>;

/// Reads a JSON object strictly: wrong types and unknown fields are errors (with the nearest known name). The
/// errors gather in one list; the values read beside them are defaults. Not thread-safe.
class ObjectReader {
 public:
  /// `json` must outlive the reader. When it is no object, that is the one error.
  ObjectReader(const Json& json, std::string path, FieldErrors& errors);

  bool has(std::string_view name);
  /// A string of `least`..`most` bytes; absent gives `fallback` unless `least` > 0.
  std::string text(std::string_view name, size_t least, size_t most, std::string fallback = {});
  std::string choice(std::string_view name, const std::vector<std::string>& among, std::string fallback);
  int64_t whole(std::string_view name, int64_t least, int64_t most, int64_t fallback);
  /// A number with a fraction, in thousandths.
  int64_t milli(std::string_view name, double least, double most, int64_t fallback);
  bool flag(std::string_view name, bool fallback);
  /// A moment in RFC 3339 (…Z, milliseconds optional), as milliseconds since 1970; 0 when absent.
  int64_t moment(std::string_view name);
  std::vector<std::string> texts(std::string_view name, size_t most_items, size_t most_bytes);
  /// {"key": "value"} pairs in the order given.
  std::vector<std::pair<std::string, std::string>> pairs(std::string_view name, size_t most_items,
                                                         size_t most_bytes);
  /// nullptr when absent; an error when it is of another kind.
  const Json* object(std::string_view name);
  const Json* array(std::string_view name, size_t most_items);
  const Json* any(std::string_view name);

  /// Call last: every field that nobody asked for is an error.
  void done();
  void error(std::string_view name, std::string detail);
  /// The field is wanted and there is none: an error, unless what was wrong with it has been told.
  void missing(std::string_view name, std::string detail = "is required");
  std::string path(std::string_view name) const;

 private:
  const Json* find(std::string_view name);

  const Json* json_ = nullptr;
  std::string path_;
  FieldErrors& errors_;
  std::vector<std::string> known_;
};

/// Parses what a stranger sent: no more than `depth` levels, and the error says line and column.
Result<Json> parse_strange_json(std::string_view text, int depth = 24);

}  // namespace ffrtmp
