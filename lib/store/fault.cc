#include <cerrno>

#include "store/database.h"

namespace ffrtmp::store {

// The backends put the nearest errno in their errors, so that one Error type serves the whole project.
Fault fault_of(const Error& error) {
  switch (error.errnum) {
    case EAGAIN:
    case ETIMEDOUT:
    case ECONNREFUSED:
    case ECONNRESET: return Fault::unavailable;
    case ENOSPC:
    case EDQUOT:
    case EFBIG: return Fault::full;
    case EROFS: return Fault::read_only;
    case EEXIST: return Fault::duplicate;
    case EUCLEAN: return Fault::corrupt;
    default: return Fault::other;
  }
}

Result<std::unique_ptr<Database>> open_database(const std::string& url) {
  std::unique_ptr<Database> database;
  if (url.starts_with("sqlite:")) {
    TRY(database, open_sqlite(url.substr(7)));
  } else if (url.starts_with("postgres://") || url.starts_with("postgresql://")) {
    TRY(database, open_postgres(url));
  } else {
    return bad_input("not a database:", url.substr(0, url.find(':')),
                     "give sqlite:PATH or postgres://USER@HOST/NAME");
  }
  TRY_OK(migrate(*database));
  return database;
}

}  // namespace ffrtmp::store
