#pragma once

#include <sqlite3.h>

#include <vector>

#include "store/value.h"

namespace ffrtmp::store {

/// Gives a statement its parameters, in order. They must outlive its run: SQLITE_STATIC saves the copies.
inline void bind_values(sqlite3_stmt* statement, const std::vector<Param>& params) {
  for (size_t i = 0; i < params.size(); i++) {
    const int at = static_cast<int>(i) + 1;
    if (const auto* number = std::get_if<int64_t>(&params[i]))
      sqlite3_bind_int64(statement, at, *number);
    else if (const auto* text = std::get_if<std::string>(&params[i]))
      sqlite3_bind_text(statement, at, text->data(), static_cast<int>(text->size()), SQLITE_STATIC);
    else if (const auto* blob = std::get_if<Blob>(&params[i]))
      sqlite3_bind_blob(statement, at, blob->bytes.data(), static_cast<int>(blob->bytes.size()),
                        SQLITE_STATIC);
  }
}

/// The row at which a statement stands.
inline Row row_of(sqlite3_stmt* statement, int columns) {
  Row out(static_cast<size_t>(columns));
  for (int c = 0; c < columns; c++) {
    Cell& cell = out[static_cast<size_t>(c)];
    const int type = sqlite3_column_type(statement, c);
    cell.null = type == SQLITE_NULL;
    if (type == SQLITE_INTEGER) cell.number = sqlite3_column_int64(statement, c);
    if (type != SQLITE_TEXT && type != SQLITE_BLOB) continue;
    const auto* bytes = static_cast<const char*>(sqlite3_column_blob(statement, c));
    cell.text.assign(bytes ? bytes : "", static_cast<size_t>(sqlite3_column_bytes(statement, c)));
  }
  return out;
}

}  // namespace ffrtmp::store
