#include "store/sql_words.h"

#include <array>

namespace ffrtmp::store {

namespace {
struct Word {
  std::string_view name, sqlite, postgres;
};
constexpr std::array kWords = {
    Word{"PK", "INTEGER PRIMARY KEY", "BIGINT PRIMARY KEY"},
    Word{"SERIAL", "INTEGER PRIMARY KEY AUTOINCREMENT", "BIGSERIAL PRIMARY KEY"},
    Word{"BLOB", "BLOB", "BYTEA"},
    Word{"SKIP", "", "FOR UPDATE SKIP LOCKED"},
    Word{"LOCK", "", "FOR UPDATE"},
    Word{"LOCK_J", "", "FOR UPDATE OF j"},
    Word{"IN", "IN (SELECT value FROM json_each(", "= ANY(ARRAY(SELECT json_array_elements_text("},
    Word{"LIST", "))", "::json)::bigint))"},
    Word{"WITHOUT_ROWID", "WITHOUT ROWID", ""},
};
}  // namespace

std::string list_of(const std::vector<int64_t>& numbers) {
  std::string out = "[";
  for (const int64_t number : numbers) out += (out.size() > 1 ? "," : "") + std::to_string(number);
  return out + "]";
}

std::string in_dialect(std::string_view sql, Dialect dialect) {
  std::string out;
  out.reserve(sql.size() + 32);
  bool quoted = false;
  for (size_t i = 0; i < sql.size(); i++) {
    const char c = sql[i];
    if (c == '\'') quoted = !quoted;
    if (!quoted && c == '{') {
      const size_t end = sql.find('}', i);
      const std::string_view name = sql.substr(i + 1, end - i - 1);
      for (const Word& word : kWords)
        if (word.name == name) out += dialect == Dialect::sqlite ? word.sqlite : word.postgres;
      i = end;
    } else {
      out += !quoted && c == '?' && dialect == Dialect::postgres ? '$' : c;
    }
  }
  return out;
}

}  // namespace ffrtmp::store
