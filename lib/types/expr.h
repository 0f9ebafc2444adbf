#pragma once

#include <functional>
#include <set>
#include <string>
#include <string_view>

#include "sys/json.h"
#include "sys/result.h"

namespace ffrtmp {

/// What names in a template stand for.
struct Scope {
  Json names = Json::object();
  /// Resolves `encoder.h264`: called when it is read, so that only what is used is probed. May be empty.
  std::function<Result<Json>(const std::string& codec)> encoder;
};

/// Templates of job types: text with ${expression} in it. "$${" stands for "${".
///
/// Expressions: numbers, 'text', true, false, null, names, a.b, a[0], + - * / %, == != < <= > >=, && || !,
/// c ? a : b, ( ), and functions (function_names()). && and || give one of their operands, so a || b is a
/// default. A template that is one expression gives its value with its type; any other gives text. Errors say
/// what and where in the template. No loops, no side effects.
Result<Json> expand(const std::string& text, const Scope& scope);
/// The same where text is needed. Null is an error; lists are joined by ','; numbers have no needless digits.
Result<std::string> expand_text(const std::string& text, const Scope& scope);
/// Whether a condition holds: null, false, 0, "" and [] do not. A condition is an expression with or without
/// ${ }.
Result<bool> holds(const std::string& condition, const Scope& scope);

/// Reads a template without a scope: syntax and functions are checked, the names at its roots are collected.
Status check_template(const std::string& text, std::set<std::string>& names);
Status check_condition(const std::string& condition, std::set<std::string>& names);

/// A value as it stands in text; nullopt for null.
std::optional<std::string> text_of(const Json& value);
bool truth_of(const Json& value);
std::vector<std::string> function_names();

}  // namespace ffrtmp
