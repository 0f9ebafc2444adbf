#include "types/functions.h"

#include <algorithm>
#include <cmath>

#include "media/ladder.h"
#include "media/location.h"
#include "media/progress.h"
#include "sys/text.h"

namespace ffrtmp {

namespace {

using Arguments = std::vector<Json>;
constexpr size_t kLongest = 1 << 20;

Result<double> number(const Json& value) {
  if (!value.is_number()) return bad_input("a number is needed, not", value.type_name());
  return value.get<double>();
}
Result<std::string> text(const Json& value) {
  auto out = text_of(value);
  if (!out) return bad_input("text is needed, not", value.type_name());
  return *std::move(out);
}

template <double (*Call)(double)>
Result<Json> of_one(const Arguments& a, const Scope&) {
  TRY(const double value, number(a[0]));
  return plain_number(Call(value));
}
template <bool Greatest>
Result<Json> extreme(const Arguments& a, const Scope&) {
  TRY(double out, number(a[0]));
  for (const Json& item : a) {
    TRY(const double value, number(item));
    out = Greatest ? std::max(out, value) : std::min(out, value);
  }
  return plain_number(out);
}
template <std::string (*Call)(std::string_view)>
Result<Json> of_text(const Arguments& a, const Scope&) {
  TRY(const std::string value, text(a[0]));
  return Json(Call(value));
}

std::string name_of(std::string_view path) { return std::string(path.substr(path.rfind('/') + 1)); }
std::string ext_of(std::string_view path) {
  const std::string name = name_of(path);
  const size_t dot = name.rfind('.');
  std::string out = dot == std::string::npos || dot == 0 ? "" : name.substr(dot + 1);
  std::ranges::transform(out, out.begin(),
                         [](unsigned char c) { return static_cast<char>(std::tolower(c)); });
  return out;
}
std::string stem_of(std::string_view path) {
  const std::string name = name_of(path);
  const size_t dot = name.rfind('.');
  return dot == std::string::npos || dot == 0 ? name : name.substr(0, dot);
}
std::string local_of(std::string_view path) { return plain_path(std::string(path)); }
std::string ffmpeg_of(std::string_view path) { return ffmpeg_location(std::string(path)); }

Result<Json> even(const Arguments& a, const Scope&) {
  TRY(const double value, number(a[0]));
  return plain_number(std::max(2.0, 2 * std::round(value / 2)));
}
Result<Json> length(const Arguments& a, const Scope&) {
  return Json(a[0].is_string()  ? a[0].get<std::string>().size()
              : a[0].is_array() ? a[0].size()
              : a[0].is_null()  ? 0
                                : 1);
}
Result<Json> joined(const Arguments& a, const Scope&) {
  if (!a[0].is_array()) return bad_input("a list is needed, not", a[0].type_name());
  TRY(const std::string separator, text(a[1]));
  std::vector<std::string> parts;
  for (const Json& item : a[0]) {
    TRY(parts.emplace_back(), text(item));
  }
  return Json(join(parts, separator));
}
Result<Json> each(const Arguments& a, const Scope& scope) {
  if (!a[0].is_array()) return bad_input("a list is needed, not", a[0].type_name());
  TRY(const std::string inner, text(a[1]));
  TRY(const std::string separator, a.size() > 2 ? text(a[2]) : Result<std::string>(""));
  Scope below = scope;
  std::string out;
  for (size_t i = 0; i < a[0].size(); i++) {
    below.names["item"] = a[0][i];
    below.names["index"] = i;
    TRY(const std::string part, expand_text(inner, below));
    out += (i ? separator : "") + part;
    if (out.size() > kLongest) return bad_input("the text grows beyond a megabyte", "");
  }
  return Json(out);
}
Result<Json> parts(const Arguments& a, const Scope&) {
  TRY(const std::string whole, text(a[0]));
  TRY(const std::string separator, text(a[1]));
  if (separator.size() != 1) return bad_input("a separator is one character", "");
  Json out = Json::array();
  for (const auto part : split(whole, separator[0])) out.push_back(std::string(part));
  return out;
}
Result<Json> replaced(const Arguments& a, const Scope&) {
  TRY(std::string whole, text(a[0]));
  TRY(const std::string from, text(a[1]));
  TRY(const std::string to, text(a[2]));
  if (from.empty()) return bad_input("nothing to replace", "");
  for (size_t at = 0; (at = whole.find(from, at)) != std::string::npos; at += to.size()) {
    whole.replace(at, from.size(), to);
    if (whole.size() > kLongest) return bad_input("the text grows beyond a megabyte", "");
  }
  return Json(whole);
}
/// null when an item has no such number: the whole is not known then.
Result<Json> sum(const Arguments& a, const Scope&) {
  if (!a[0].is_array()) return bad_input("a list is needed, not", a[0].type_name());
  TRY(const std::string key, text(a[1]));
  double out = 0;
  for (const Json& item : a[0]) {
    const Json& value = at_or_null(item, key);
    if (!value.is_number()) return Json(nullptr);
    out += value.get<double>();
  }
  return plain_number(out);
}
Result<Json> present(const Arguments& a, const Scope&) {
  if (!a[0].is_array()) return bad_input("a list is needed, not", a[0].type_name());
  Json out = Json::array();
  for (const Json& item : a[0])
    if (truth_of(item)) out.push_back(item);
  return out;
}
Result<Json> chunks(const Arguments& a, const Scope&) {
  if (!a[0].is_array()) return bad_input("a list is needed, not", a[0].type_name());
  TRY(const double size, number(a[1]));
  if (size < 1) return bad_input("a chunk needs at least one item", "");
  Json out = Json::array();
  for (size_t i = 0; i < a[0].size(); i++) {
    if (i % static_cast<size_t>(size) == 0) out.push_back(Json::array());
    out.back().push_back(a[0][i]);
  }
  return out;
}
Result<Json> range(const Arguments& a, const Scope&) {
  TRY(const double count, number(a[0]));
  if (count < 0 || count > 10000) return bad_input("a range has 0 to 10000 numbers", "");
  Json out = Json::array();
  for (int i = 0; i < static_cast<int>(count); i++) out.push_back(i);
  return out;
}
Result<Json> to_number(const Arguments& a, const Scope&) {
  if (a[0].is_number()) return a[0];
  TRY(const std::string digits, text(a[0]));
  const size_t slash = digits.find('/');
  char *end = nullptr, *end2 = nullptr;
  const std::string top = digits.substr(0, slash);
  double value = std::strtod(top.c_str(), &end);
  if (top.empty() || *end || top.find_first_not_of("0123456789.-") != std::string::npos)
    return bad_input("not a number:", digits);
  if (slash != std::string::npos) {
    const std::string bottom = digits.substr(slash + 1);
    const double under = std::strtod(bottom.c_str(), &end2);
    if (bottom.empty() || *end2 || !(under > 0)) return bad_input("not a ratio:", digits);
    value /= under;
  }
  if (!std::isfinite(value) || std::fabs(value) > 1e15) return bad_input("not a number:", digits);
  return plain_number(value);
}
Result<Json> contains(const Arguments& a, const Scope&) {
  if (a[0].is_array()) return Json(std::ranges::find(a[0], a[1]) != a[0].end());
  TRY(const std::string whole, text(a[0]));
  TRY(const std::string part, text(a[1]));
  return Json(whole.find(part) != std::string::npos);
}
Result<Json> ladder(const Arguments& a, const Scope&) {
  TRY(const double width, number(a[0]));
  TRY(const double height, number(a[1]));
  TRY(const double most, a.size() > 2 && !a[2].is_null() ? number(a[2]) : Result<double>(1e6));
  Json out = Json::array();
  for (const auto& rung :
       ladder_for(static_cast<int64_t>(width), static_cast<int64_t>(height), static_cast<int64_t>(most)))
    out.push_back(to_json(rung));
  return out;
}

}  // namespace

const std::vector<Function>& functions() {
  static const std::vector<Function> all = {
      {"min", 1, 8, "numbers", extreme<false>},
      {"max", 1, 8, "numbers", extreme<true>},
      {"round", 1, 1, "a number", of_one<std::round>},
      {"floor", 1, 1, "a number", of_one<std::floor>},
      {"ceil", 1, 1, "a number", of_one<std::ceil>},
      {"abs", 1, 1, "a number", of_one<std::fabs>},
      {"even", 1, 1, "a number: the nearest even one, at least 2", even},
      {"num", 1, 1, "text such as 30000/1001: the number", to_number},
      {"len", 1, 1, "text or a list", length},
      {"contains", 2, 2, "a list and an item, or two texts", contains},
      {"join", 2, 2, "a list and a separator", joined},
      {"each", 2, 3, "a list, a template with ${item} and ${index}, a separator", each},
      {"split", 2, 2, "text and a separator: a list", parts},
      {"replace", 3, 3, "text, what, by what", replaced},
      {"sum", 2, 2, "a list of things and the name of a number in each", sum},
      {"present", 1, 1, "a list: what of it is not null, false, 0 or empty", present},
      {"chunks", 2, 2, "a list and a size: a list of lists", chunks},
      {"range", 1, 1, "a count: 0, 1, ...", range},
      {"name", 1, 1, "a path: its last part", of_text<name_of>},
      {"ext", 1, 1, "a path: its extension in small letters", of_text<ext_of>},
      {"stem", 1, 1, "a path: its last part without extension", of_text<stem_of>},
      {"local", 1, 1, "a path that no program takes for an option", of_text<local_of>},
      {"ffmpeg", 1, 1, "a path as FFmpeg's file: address", of_text<ffmpeg_of>},
      {"filter", 1, 1, "text quoted for FFmpeg's filters", of_text<filter_quote>},
      {"gst", 1, 1, "text quoted for a GStreamer pipeline", of_text<gst_quote>},
      {"ladder", 2, 3, "width, height and the most height: renditions", ladder},
  };
  return all;
}

const Function* function_named(std::string_view name) {
  for (const auto& function : functions())
    if (function.name == name) return &function;
  return nullptr;
}

std::vector<std::string> function_names() {
  std::vector<std::string> out;
  for (const auto& function : functions()) out.emplace_back(function.name);
  return out;
}

}  // namespace ffrtmp
