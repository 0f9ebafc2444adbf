#include <algorithm>
#include <cmath>
#include <cstdlib>
#include <regex>

#include "sys/text.h"
#include "types/expr.h"
#include "types/functions.h"
#include "types/job_type.h"

namespace ffrtmp {

namespace {

/// std::regex recurses once a character: longer values would run out of stack.
constexpr size_t kLongestMatched = 1024;
constexpr size_t kLongest = 65536;

std::string range_of(const ParameterSpec& spec) {
  const auto number = [](double value) { return text_of(plain_number(value)).value_or(""); };
  if (spec.least && spec.most) return " from " + number(*spec.least) + " to " + number(*spec.most);
  if (spec.least) return " of at least " + number(*spec.least);
  if (spec.most) return " of at most " + number(*spec.most);
  return "";
}

std::unexpected<Error> unexpected_value(const ParameterSpec& spec, const std::string& given) {
  return bad_input("parameter " + spec.name + ":", "\"" + (spec.secret ? "***" : given.substr(0, 200)) + "\"",
                   "it takes " + expectation(spec));
}

std::optional<double> decimal(const std::string& text) {
  if (text.empty() || text.find_first_not_of("0123456789.-+") != std::string::npos) return std::nullopt;
  char* end = nullptr;
  const double value = std::strtod(text.c_str(), &end);
  return *end == '\0' && std::isfinite(value) ? std::optional(value) : std::nullopt;
}

Result<Json> parse_one(const ParameterSpec& spec, ParameterKind kind, const std::string& text) {
  const auto wrong = [&] { return unexpected_value(spec, text); };
  const auto in_range = [&](double value) {
    return (!spec.least || value >= *spec.least) && (!spec.most || value <= *spec.most);
  };
  if (text.size() > kLongest || text.find('\0') != std::string::npos) return wrong();
  switch (kind) {
    case ParameterKind::string: {
      if (spec.pattern.empty()) return Json(text);
      if (text.size() > kLongestMatched) return wrong();
      try {
        if (!std::regex_match(text, std::regex(spec.pattern))) return wrong();
      } catch (const std::regex_error&) {
        return bad_input("the type's pattern for " + spec.name + " is no regular expression:", spec.pattern);
      }
      return Json(text);
    }
    case ParameterKind::integer: {
      const auto value = parse_i64(text);
      if (!value || std::llabs(*value) > (int64_t{1} << 53) || !in_range(static_cast<double>(*value)))
        return wrong();
      return Json(*value);
    }
    case ParameterKind::number: {
      const auto value = decimal(text);
      if (!value || std::fabs(*value) > 1e15 || !in_range(*value)) return wrong();
      return plain_number(*value);
    }
    case ParameterKind::boolean:
      if (text == "true" || text == "yes" || text == "1" || text == "on") return Json(true);
      if (text == "false" || text == "no" || text == "0" || text == "off") return Json(false);
      return wrong();
    case ParameterKind::duration: {
      if (text == "0" && (!spec.least || *spec.least <= 0)) return Json(0);
      const auto value = parse_duration(text);
      if (!value) return wrong();
      const double seconds = seconds_of(*value);
      if (!in_range(seconds)) return wrong();
      return plain_number(seconds);
    }
    case ParameterKind::size: {
      const auto value = parse_bytes(text);
      if (!value || value->count > (uint64_t{1} << 53) || !in_range(static_cast<double>(value->count)))
        return wrong();
      return Json(static_cast<int64_t>(value->count));
    }
    case ParameterKind::rational: {
      const auto parts = split(text, '/');
      const auto top = decimal(std::string(parts[0]));
      const auto bottom = parts.size() == 2 ? parse_u64(parts[1]) : std::optional<uint64_t>(1);
      if (!top || !bottom || *bottom == 0 || *bottom > 1'000'000'000 || parts.size() > 2) return wrong();
      if (parts.size() == 2 && !parse_u64(parts[0])) return wrong();
      if (!in_range(*top / static_cast<double>(*bottom)) || *top <= 0 || *top > 1e9) return wrong();
      return Json(text);
    }
    case ParameterKind::choice:
      if (std::ranges::find(spec.choices, text) == spec.choices.end()) return wrong();
      return Json(text);
    case ParameterKind::list: break;
  }
  return wrong();
}

}  // namespace

std::string expectation(const ParameterSpec& spec) {
  switch (spec.kind) {
    case ParameterKind::string: return spec.pattern.empty() ? "text" : "text that matches " + spec.pattern;
    case ParameterKind::integer: return "a whole number" + range_of(spec);
    case ParameterKind::number: return "a number" + range_of(spec);
    case ParameterKind::boolean: return "true or false";
    case ParameterKind::duration:
      return "a duration such as 90s or 1h30m" +
             (range_of(spec).empty() ? "" : "," + range_of(spec) + " seconds");
    case ParameterKind::size:
      return "a size such as 512M or 2G" + (range_of(spec).empty() ? "" : "," + range_of(spec) + " bytes");
    case ParameterKind::rational:
      return "a positive number or ratio such as 25 or 30000/1001" + range_of(spec);
    case ParameterKind::choice: return "one of " + join(spec.choices, ", ");
    case ParameterKind::list: {
      ParameterSpec item = spec;
      item.kind = spec.items;
      return "a list with commas, each " + expectation(item);
    }
  }
  return "";
}

Result<Json> parse_parameter(const ParameterSpec& spec, const std::string& text) {
  if (spec.kind != ParameterKind::list) return parse_one(spec, spec.kind, text);
  Json out = Json::array();
  if (text.empty()) return out;
  for (const auto part : split(text, ',')) {
    TRY(Json item, parse_one(spec, spec.items, std::string(trim(part))));
    out.push_back(std::move(item));
  }
  return out;
}

}  // namespace ffrtmp
