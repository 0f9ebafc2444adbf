#pragma once

#include <cerrno>
#include <expected>
#include <string>
#include <utility>

#include "sys/exit_code.h"

namespace ffrtmp {

/// Why something did not work. The only error type of the project; `message()` is the only place that words
/// it.
struct Error {
  std::string step;    ///< what was being done, as a present participle or a plain statement ("opening")
  std::string object;  ///< on what: a path, a flag, an id; may be empty
  int errnum = 0;      ///< errno of the failed call; 0 when no system call failed
  std::string hint;    ///< how to mend it; may be empty
  ExitCode exit = ExitCode::ours;

  /// One line for people: "step object: errno text; hint". Control characters are escaped.
  std::string message() const;
};

template <class T>
using Result = std::expected<T, Error>;
using Status = Result<void>;

/// An error of a system call: takes errno as it is now unless told otherwise.
inline std::unexpected<Error> sys_error(std::string step, std::string object, int errnum = errno,
                                        std::string hint = {}) {
  return std::unexpected(Error{std::move(step), std::move(object), errnum, std::move(hint), ExitCode::ours});
}

/// An error of the caller's making (a flag, a file's contents).
inline std::unexpected<Error> bad_input(std::string step, std::string object, std::string hint = {}) {
  return std::unexpected(Error{std::move(step), std::move(object), 0, std::move(hint), ExitCode::ours});
}

}  // namespace ffrtmp

/// Evaluates a Result; on error returns it from the enclosing function, else yields the value.
#define FFRTMP_CONCAT2(a, b) a##b
#define FFRTMP_CONCAT(a, b) FFRTMP_CONCAT2(a, b)
#define TRY_IMPL(tmp, decl, expr)                           \
  auto tmp = (expr);                                        \
  if (!tmp) return std::unexpected(std::move(tmp).error()); \
  decl = *std::move(tmp)
#define TRY(decl, expr) TRY_IMPL(FFRTMP_CONCAT(try_, __COUNTER__), decl, expr)
/// The same for a Status.
#define TRY_OK(expr)                                                                      \
  do {                                                                                    \
    if (auto check_ = (expr); !check_) return std::unexpected(std::move(check_).error()); \
  } while (0)
