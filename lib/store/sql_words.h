#pragma once

#include <string>
#include <string_view>

#include "store/database.h"

namespace ffrtmp::store {

/// Puts a dialect's words in place of {NAME}: {PK} (a 64-bit primary key), {SERIAL} (one that numbers itself
/// and never reuses), {BLOB}, {SKIP} (FOR UPDATE SKIP LOCKED), {LOCK} (FOR UPDATE), {LOCK_J} (of the table
/// called j only), {WITHOUT_ROWID}. For PostgreSQL ?1 becomes $1. Quoted text is left alone.
std::string in_dialect(std::string_view sql, Dialect dialect);

}  // namespace ffrtmp::store
