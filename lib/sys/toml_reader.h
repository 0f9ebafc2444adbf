#pragma once

// Included where a file of ours is read, and nowhere else: toml++ is header-only and large.
#define TOML_HEADER_ONLY 1
#define TOML_EXCEPTIONS 0
// toml++ 3.3 asserts on some typing errors that it reports properly without.
#define TOML_ASSERT(expr) static_assert(true)
#include <toml++/toml.h>

#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "sys/result.h"
#include "sys/source_place.h"
#include "sys/units.h"

namespace ffrtmp {

/// A whole file. Errors are of the form "SOURCE:LINE:COLUMN: what".
Result<toml::table> parse_toml(const std::string& text, const std::string& source);

/// A table of a file, read key by key: what nobody asked for is an error in the end.
class TomlReader {
 public:
  TomlReader(const toml::table& table, std::string source, std::string path, SourcePlace place = {})
      : table_(table), source_(std::move(source)), path_(std::move(path)), place_(place) {}

  /// An error at a place of the file: "FILE:LINE:COLUMN: what; hint".
  std::unexpected<Error> error(SourcePlace place, const std::string& what,
                               const std::string& hint = {}) const;
  std::unexpected<Error> error_at(std::string_view key, const std::string& what,
                                  const std::string& hint = {}) const;

  const toml::node* find(std::string_view key);
  Result<std::string> text(std::string_view key, const std::string& fallback = {});
  Result<std::string> needed_text(std::string_view key);
  Result<bool> flag(std::string_view key, bool fallback);
  Result<std::optional<double>> number(std::string_view key);
  Result<int64_t> whole(std::string_view key, int64_t fallback);
  Result<std::optional<Duration>> duration(std::string_view key);
  Result<std::vector<std::string>> texts(std::string_view key);
  Result<const toml::table*> table(std::string_view key);
  Result<const toml::array*> array(std::string_view key);
  /// Every key that nobody asked for is an error, with the nearest one that is known.
  Status done() const;

  /// Fails at once when there is a key that is not among these: for what is said before a missing key is
  /// missed.
  Status only(std::vector<std::string> keys) const;

  SourcePlace place() const { return place_; }
  const std::string& source() const { return source_; }
  const std::string& path() const { return path_; }
  std::string path_of(std::string_view key) const {
    return path_.empty() ? std::string(key) : path_ + "." + std::string(key);
  }
  const toml::table& raw() const { return table_; }

 private:
  const toml::table& table_;
  std::string source_, path_;
  SourcePlace place_;
  std::vector<std::string> known_;
};

SourcePlace place_of(const toml::node& node);
/// What a value says as text, as a flag would give it: a text or a whole number; "" for another type.
std::string value_text(const toml::node& node);
/// The keys of a table in the order of the file: toml++ sorts them by name.
std::vector<std::pair<std::string, const toml::node*>> in_file_order(const toml::table& table);

}  // namespace ffrtmp
