#include "types/expr.h"

#include <algorithm>
#include <cmath>
#include <cstdlib>
#include <map>

#include "media/progress.h"
#include "sys/text.h"
#include "types/functions.h"

namespace ffrtmp {

namespace {

constexpr int kDeepest = 64;

bool name_start(char c) { return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '_'; }
bool name_char(char c) { return name_start(c) || (c >= '0' && c <= '9'); }

/// Recursive descent over one expression; evaluates as it goes, or with no scope only reads.
class Reader {
 public:
  Reader(std::string_view text, size_t at, const Scope* scope, std::set<std::string>* names)
      : text_(text), at_(at), scope_(scope), names_(names) {}

  Result<Json> expression() {
    if (++depth_ > kDeepest) return wrong("it is nested too deeply");
    auto out = ternary();
    depth_--;
    return out;
  }
  size_t at() {
    blanks();
    return at_;
  }

 private:
  std::unexpected<Error> wrong(const std::string& what) const {
    return bad_input("in the template \"" + std::string(text_.substr(0, 200)) + "\" at character " +
                         std::to_string(at_ + 1) + ":",
                     what);
  }
  void blanks() {
    while (at_ < text_.size() && (text_[at_] == ' ' || text_[at_] == '\n' || text_[at_] == '\t')) at_++;
  }
  bool take(std::string_view sign) {
    blanks();
    if (!text_.substr(at_).starts_with(sign)) return false;
    at_ += sign.size();
    return true;
  }
  bool live() const { return scope_ != nullptr && skip_ == 0; }

  Result<Json> ternary() {
    TRY(Json condition, either());
    if (!take("?")) return condition;
    const bool yes = truth_of(condition);
    TRY(Json first, quietly(!yes, [&] { return expression(); }));
    if (!take(":")) return wrong("a '?' needs a ':'");
    TRY(Json second, quietly(yes, [&] { return expression(); }));
    return yes ? first : second;
  }
  /// Reads on without evaluating when `skip`: the side not taken may name what is not there.
  template <class F>
  Result<Json> quietly(bool skip, F&& read) {
    skip_ += skip;
    auto out = read();
    skip_ -= skip;
    return out;
  }
  Result<Json> either() {
    TRY(Json left, both());
    while (take("||")) {
      const bool done = truth_of(left);
      TRY(Json right, quietly(done, [&] { return both(); }));
      if (!done) left = std::move(right);
    }
    return left;
  }
  Result<Json> both() {
    TRY(Json left, comparison());
    while (take("&&")) {
      const bool go_on = truth_of(left);
      TRY(Json right, quietly(!go_on, [&] { return comparison(); }));
      if (go_on) left = std::move(right);
    }
    return left;
  }
  Result<Json> comparison() {
    TRY(Json left, sum());
    for (const std::string_view sign : {"==", "!=", "<=", ">=", "<", ">"}) {
      if (!take(sign)) continue;
      TRY(Json right, sum());
      if (!live()) return Json(nullptr);
      if (sign == "==") return Json(left == right);
      if (sign == "!=") return Json(left != right);
      if (left.is_number() && right.is_number()) {
        const double a = left.get<double>(), b = right.get<double>();
        return Json(sign == "<" ? a < b : sign == ">" ? a > b : sign == "<=" ? a <= b : a >= b);
      }
      return wrong("only numbers are greater or less");
    }
    return left;
  }
  Result<Json> sum() {
    TRY(Json left, product());
    for (;;) {
      blanks();
      const char sign = at_ < text_.size() ? text_[at_] : '\0';
      if (sign != '+' && sign != '-') return left;
      at_++;
      TRY(Json right, product());
      if (!live()) continue;
      if (sign == '+' && (left.is_string() || right.is_string())) {
        const auto a = text_of(left), b = text_of(right);
        if (!a || !b) return wrong("null cannot be added to text");
        left = *a + *b;
        continue;
      }
      TRY(left, arithmetic(sign, left, right));
    }
  }
  Result<Json> product() {
    TRY(Json left, unary());
    for (;;) {
      blanks();
      const char sign = at_ < text_.size() ? text_[at_] : '\0';
      if (sign != '*' && sign != '/' && sign != '%') return left;
      at_++;
      TRY(Json right, unary());
      if (!live()) continue;
      TRY(left, arithmetic(sign, left, right));
    }
  }
  Result<Json> arithmetic(char sign, const Json& left, const Json& right) const {
    if (!left.is_number() || !right.is_number())
      return wrong(std::string("'") + sign + "' needs two numbers, not " + left.type_name() + " and " +
                   right.type_name());
    const double a = left.get<double>(), b = right.get<double>();
    if ((sign == '/' || sign == '%') && b == 0) return wrong("division by zero");
    const double value = sign == '+'   ? a + b
                         : sign == '-' ? a - b
                         : sign == '*' ? a * b
                         : sign == '/' ? a / b
                                       : std::fmod(a, b);
    if (!std::isfinite(value) || std::fabs(value) > 1e15) return wrong("the number is too large");
    return plain_number(value);
  }
  Result<Json> unary() {
    if (++depth_ > kDeepest) return wrong("it is nested too deeply");
    Result<Json> out = Json(nullptr);
    blanks();
    if (text_.substr(at_).starts_with("!=")) {
      out = wrong("a value is missing");
    } else if (take("!")) {
      out = unary();
      if (out && live()) out = Json(!truth_of(*out));
    } else if (take("-")) {
      out = unary();
      if (out && live())
        out =
            out->is_number() ? Result<Json>(plain_number(-out->get<double>())) : wrong("'-' needs a number");
    } else {
      out = postfix();
    }
    depth_--;
    return out;
  }
  Result<Json> postfix() {
    TRY(Json value, primary());
    for (;;) {
      if (take(".")) {
        TRY(const std::string name, identifier());
        value = at_or_null(value, name);
      } else if (take("[")) {
        TRY(const Json index, expression());
        if (!take("]")) return wrong("a ']' is missing");
        if (value.is_array() && index.is_number_integer() && index.get<int64_t>() >= 0 &&
            index.get<uint64_t>() < value.size())
          value = Json(value[index.get<size_t>()]);
        else
          value = index.is_string() ? Json(at_or_null(value, index.get<std::string>())) : Json(nullptr);
      } else {
        return value;
      }
    }
  }
  Result<std::string> identifier() {
    blanks();
    const size_t begin = at_;
    if (at_ >= text_.size() || !name_start(text_[at_])) return wrong("a name is missing");
    while (at_ < text_.size() && name_char(text_[at_])) at_++;
    return std::string(text_.substr(begin, at_ - begin));
  }
  Result<Json> primary() {
    blanks();
    if (at_ >= text_.size()) return wrong("a value is missing");
    const char c = text_[at_];
    if (c == '(') {
      at_++;
      TRY(Json value, expression());
      if (!take(")")) return wrong("a ')' is missing");
      return value;
    }
    if (c == '[') return list();
    if (c == '\'') return quoted();
    if (c >= '0' && c <= '9') return number();
    const size_t begin = at_;
    TRY(const std::string name, identifier());
    if (name == "true") return Json(true);
    if (name == "false") return Json(false);
    if (name == "null") return Json(nullptr);
    if (take("(")) return call(name);
    if (name == "encoder" || name == "capability") return encoder();
    if (names_) names_->insert(name);
    if (!live()) return Json(nullptr);
    if (!scope_->names.contains(name)) {
      at_ = begin;
      std::vector<std::string> known;
      for (const auto& [key, value] : scope_->names.items()) known.push_back(key);
      const auto near = nearest(name, known);
      return wrong("no such name: " + name + (near ? ", did you mean " + *near + "?" : ""));
    }
    return scope_->names[name];
  }
  Result<Json> list() {
    at_++;
    Json out = Json::array();
    while (!take("]")) {
      if (!out.empty() && !take(",")) return wrong("a list needs ',' or ']'");
      TRY(Json item, expression());
      out.push_back(std::move(item));
    }
    return out;
  }
  Result<Json> quoted() {
    std::string out;
    for (at_++; at_ < text_.size() && text_[at_] != '\''; at_++) {
      if (text_[at_] == '\\' && at_ + 1 < text_.size() && (text_[at_ + 1] == '\'' || text_[at_ + 1] == '\\'))
        at_++;
      out += text_[at_];
    }
    if (at_ >= text_.size()) return wrong("a text has no closing quote");
    at_++;
    return Json(out);
  }
  Result<Json> number() {
    const size_t begin = at_;
    while (at_ < text_.size() && ((text_[at_] >= '0' && text_[at_] <= '9') || text_[at_] == '.')) at_++;
    const std::string digits(text_.substr(begin, at_ - begin));
    if (const auto whole = parse_u64(digits); whole && *whole < (uint64_t{1} << 53))
      return Json(static_cast<int64_t>(*whole));
    char* end = nullptr;
    const double value = std::strtod(digits.c_str(), &end);
    if (*end || !(value < 1e15)) return wrong("not a number: " + digits);
    return Json(value);
  }
  Result<Json> encoder() {
    std::string codec;
    if (take(".")) {
      TRY(codec, identifier());
    } else if (take("[")) {
      TRY(const Json name, expression());
      if (!take("]")) return wrong("a ']' is missing");
      if (live() && !name.is_string()) return wrong("encoder[...] needs the name of a codec");
      codec = live() ? name.get<std::string>() : "";
    } else {
      return wrong("write encoder.h264, encoder[codec] or capability['filter:NAME']");
    }
    if (!live()) return Json(nullptr);
    if (!scope_->encoder) return wrong("no encoder can be chosen here");
    return scope_->encoder(codec);
  }
  Result<Json> call(const std::string& name) {
    std::vector<Json> arguments;
    while (!take(")")) {
      if (!arguments.empty() && !take(",")) return wrong("a call needs ',' or ')'");
      TRY(Json argument, expression());
      arguments.push_back(std::move(argument));
    }
    const Function* function = function_named(name);
    if (!function) {
      const auto near = nearest(name, function_names());
      return wrong("no such function: " + name + (near ? ", did you mean " + *near + "?" : ""));
    }
    if (arguments.size() < function->least || arguments.size() > function->most)
      return wrong(name + "() takes " + function->usage);
    if (!live()) return Json(nullptr);
    auto out = function->call(arguments, *scope_);
    if (!out) return wrong(name + "(): " + out.error().message());
    return out;
  }

  std::string_view text_;
  size_t at_;
  const Scope* scope_;
  std::set<std::string>* names_;
  int depth_ = 0, skip_ = 0;
};

/// Walks a template: `text` gets literal parts, values the expressions'.
template <class OnValue>
Status walk(const std::string& text, const Scope* scope, std::set<std::string>* names, std::string& literal,
            OnValue&& on_value) {
  for (size_t at = 0; at < text.size();) {
    if (text.compare(at, 3, "$${") == 0) {
      literal += "${";
      at += 3;
    } else if (text.compare(at, 2, "${") == 0) {
      Reader reader(text, at + 2, scope, names);
      TRY(Json value, reader.expression());
      const size_t end = reader.at();
      if (end >= text.size() || text[end] != '}')
        return bad_input(
            "in the template \"" + text.substr(0, 200) + "\" at character " + std::to_string(end + 1) + ":",
            "a '}' is missing");
      TRY_OK(on_value(std::move(value), at == 0 && end + 1 == text.size()));
      at = end + 1;
    } else {
      literal += text[at++];
    }
  }
  return {};
}

std::string as_template(const std::string& condition) {
  return condition.starts_with("${") ? condition : "${" + condition + "}";
}

}  // namespace

Json plain_number(double value) {
  if (value == std::floor(value) && std::fabs(value) < 9e15) return static_cast<int64_t>(value);
  return value;
}

std::optional<std::string> text_of(const Json& value) {
  switch (value.type()) {
    case Json::value_t::string: return value.get<std::string>();
    case Json::value_t::boolean: return value.get<bool>() ? "true" : "false";
    case Json::value_t::number_integer:
    case Json::value_t::number_unsigned: return std::to_string(value.get<int64_t>());
    case Json::value_t::number_float: {
      char text[64];
      snprintf(text, sizeof text, "%.6f", value.get<double>());
      std::string out = text;
      while (out.ends_with('0')) out.pop_back();
      if (out.ends_with('.')) out.pop_back();
      return out;
    }
    case Json::value_t::array: {
      std::vector<std::string> parts;
      for (const Json& item : value) {
        auto part = text_of(item);
        if (!part) return std::nullopt;
        parts.push_back(std::move(*part));
      }
      return join(parts, ",");
    }
    case Json::value_t::object:
      for (const char* key : {"path", "name"})
        if (const Json& item = at_or_null(value, key); item.is_string()) return item.get<std::string>();
      return std::nullopt;
    default: return std::nullopt;
  }
}

bool truth_of(const Json& value) {
  if (value.is_boolean()) return value.get<bool>();
  if (value.is_number()) return value.get<double>() != 0;
  if (value.is_string()) return !value.get<std::string>().empty();
  return !value.is_null() && !value.empty();
}

Result<Json> expand(const std::string& text, const Scope& scope) {
  std::string literal;
  std::optional<Json> whole;
  TRY_OK(walk(text, &scope, nullptr, literal, [&](Json value, bool alone) -> Status {
    if (alone) {
      whole = std::move(value);
      return {};
    }
    const auto part = text_of(value);
    if (!part) return bad_input("a value is missing in the template", "\"" + text.substr(0, 200) + "\"");
    literal += *part;
    return {};
  }));
  return whole ? *std::move(whole) : Json(std::move(literal));
}

Result<std::string> expand_text(const std::string& text, const Scope& scope) {
  TRY(const Json value, expand(text, scope));
  auto out = text_of(value);
  if (!out) return bad_input("it has no value:", "\"" + text.substr(0, 200) + "\"");
  return *std::move(out);
}

Result<bool> holds(const std::string& condition, const Scope& scope) {
  TRY(const Json value, expand(as_template(condition), scope));
  return truth_of(value);
}

Status check_template(const std::string& text, std::set<std::string>& names) {
  std::string literal;
  return walk(text, nullptr, &names, literal, [](Json, bool) -> Status { return {}; });
}
Status check_condition(const std::string& condition, std::set<std::string>& names) {
  return check_template(as_template(condition), names);
}

}  // namespace ffrtmp
