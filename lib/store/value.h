#pragma once

#include <cstdint>
#include <string>
#include <utility>
#include <variant>
#include <vector>

namespace ffrtmp::store {

/// Bytes that are not text: a BLOB in SQLite, bytea in PostgreSQL.
struct Blob {
  std::string bytes;
};

/// One parameter of a statement. Booleans are 0 and 1.
using Param = std::variant<std::monostate, int64_t, std::string, Blob>;

/// One column of one row as the database gave it. NULL reads as 0 and "".
struct Cell {
  bool null = true;
  std::string text;  ///< decimal for numbers; raw bytes for blobs
  int64_t number = 0;

  int64_t i() const { return number; }
  const std::string& s() const { return text; }
};

using Row = std::vector<Cell>;

/// What a statement returned. `changed` counts rows written by INSERT, UPDATE and DELETE.
struct Rows {
  std::vector<Row> rows;
  int64_t changed = 0;

  bool empty() const { return rows.empty(); }
  size_t size() const { return rows.size(); }
  const Row& operator[](size_t i) const { return rows[i]; }
  auto begin() const { return rows.begin(); }
  auto end() const { return rows.end(); }
};

/// NULL when `number` is 0: for moments and limits that are absent.
inline Param or_null(int64_t number) { return number == 0 ? Param{} : Param{number}; }
inline Param or_null(std::string text) { return text.empty() ? Param{} : Param{std::move(text)}; }

}  // namespace ffrtmp::store
