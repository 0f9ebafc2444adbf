#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "store/database.h"

namespace ffrtmp::store {

/// Puts a dialect's words in place of {NAME}: {PK} (a 64-bit primary key), {SERIAL} (one that numbers itself
/// and never reuses), {BLOB}, {SKIP} (FOR UPDATE SKIP LOCKED), {LOCK} (FOR UPDATE), {LOCK_J} (of the table
/// called j only), {WITHOUT_ROWID}, and column {IN} ?1 {LIST} (one of the numbers of a `list_of`). For
/// PostgreSQL ?1 becomes $1. Quoted text is left alone.
std::string in_dialect(std::string_view sql, Dialect dialect);
/// Numbers as one parameter.
std::string list_of(const std::vector<int64_t>& numbers);

}  // namespace ffrtmp::store
