#include "types/job_type.h"

#include <doctest/doctest.h>

#include "fake.h"
#include "types/expr.h"

using namespace ffrtmp;

namespace {
Scope scope() {
  Scope out;
  out.names = {{"height", 720},
               {"name", "a b"},
               {"none", nullptr},
               {"list", {1, 2, 3}},
               {"input", {{"path", "/x/y.MP4"}, {"video", {{"fps", 25}}}}}};
  return out;
}
std::string text(const std::string& given) {
  const auto out = expand_text(given, scope());
  return out ? *out : "error: " + out.error().message();
}
ParameterSpec parameter(ParameterKind kind) {
  ParameterSpec out;
  out.name = "p";
  out.kind = kind;
  return out;
}
}  // namespace

TEST_CASE("templates give values, and text around them") {
  CHECK(text("scale=-2:${height}") == "scale=-2:720");
  CHECK(text("${height / 2 + 1}") == "361");
  CHECK(text("${1 / 3}") == "0.333333");
  CHECK(text("${none || 'other'}") == "other");
  CHECK(text("${height > 700 ? 'hd' : 'sd'}") == "hd");
  CHECK(text("${input.video.fps * 2}") == "50");
  CHECK(text("${input}") == "/x/y.MP4");
  CHECK(text("${ext(input.path)} ${stem(input.path)}") == "mp4 y");
  CHECK(text("${each(list, '[v${index}:${item}]', ';')}") == "[v0:1];[v1:2];[v2:3]");
  CHECK(text("$${height}") == "${height}");
  CHECK(text("${even(101)} ${min(3, 2)} ${max(1, 5)} ${join(list, '+')}") == "102 2 5 1+2+3");
  // The type of a lone expression is kept: a list spreads over arguments.
  CHECK(expand("${list}", scope())->is_array());
  CHECK(*holds("height == 720 && !none", scope()));
  CHECK_FALSE(*holds("${none}", scope()));
}

TEST_CASE("what cannot be right in a template is said with its place") {
  CHECK(text("${hieght}").find("did you mean height?") != std::string::npos);
  CHECK(text("${jon(list, '')}").find("did you mean join?") != std::string::npos);
  CHECK(text("${height").find("a '}' is missing") != std::string::npos);
  CHECK(text("${height + }").find("error") == 0);
  CHECK(text("${1 / 0}").find("division by zero") != std::string::npos);
  CHECK(text("${none}").find("no value") != std::string::npos);
  CHECK(text("${name * 2}").find("needs two numbers") != std::string::npos);
  CHECK(text("${" + std::string(500, '(') + "1").find("nested too deeply") != std::string::npos);
  // The side that is not taken may name what is not there.
  CHECK(text("${true ? 1 : 1 / 0}") == "1");
}

TEST_CASE("parameters are held to their kinds, and the error says what would do") {
  auto number = parameter(ParameterKind::number);
  number.least = 0, number.most = 51;
  CHECK(*parse_parameter(number, "23") == 23);
  CHECK(parse_parameter(number, "52").error().message().find("a number from 0 to 51") != std::string::npos);
  CHECK_FALSE(parse_parameter(number, "1e2"));
  CHECK_FALSE(parse_parameter(number, "-y"));
  CHECK(*parse_parameter(parameter(ParameterKind::duration), "1m30s") == 90);
  CHECK(*parse_parameter(parameter(ParameterKind::size), "2M") == 2097152);
  CHECK(*parse_parameter(parameter(ParameterKind::rational), "30000/1001") == "30000/1001");
  CHECK_FALSE(parse_parameter(parameter(ParameterKind::rational), "1/0"));
  CHECK_FALSE(parse_parameter(parameter(ParameterKind::rational), "-1"));
  CHECK(*parse_parameter(parameter(ParameterKind::boolean), "yes") == true);
  CHECK_FALSE(parse_parameter(parameter(ParameterKind::boolean), "maybe"));
  auto word = parameter(ParameterKind::string);
  word.pattern = "[0-9]+[kM]?";
  CHECK(*parse_parameter(word, "2M") == "2M");
  CHECK_FALSE(parse_parameter(word, "2M;rm"));
  CHECK_FALSE(parse_parameter(word, std::string(5000, '1')));
  auto list = parameter(ParameterKind::list);
  list.items = ParameterKind::integer;
  CHECK(*parse_parameter(list, "1, 2,3") == Json({1, 2, 3}));
  CHECK_FALSE(parse_parameter(list, "1,x"));
  auto choice = parameter(ParameterKind::choice);
  choice.choices = {"a", "b"};
  CHECK(parse_parameter(choice, "c").error().message().find("one of a, b") != std::string::npos);
  auto secret = parameter(ParameterKind::integer);
  secret.secret = true;
  CHECK(parse_parameter(secret, "hunter2").error().message().find("hunter2") == std::string::npos);
}

TEST_CASE("a type's file is strict, and errors have line and column") {
  const std::string good =
      "name = \"t\"\nversion = 1\nsummary = \"s\"\n[parameters]\np = { type = \"integer\", default = 2, help "
      "= \"h\" }\n"
      "[[steps]]\nargs = [\"echo\", \"${p}\", { if = \"p > 1\", args = [\"more\"] }]\n";
  const auto type = parse_job_type(good, "t.toml");
  REQUIRE(type.has_value());
  CHECK(type->steps[0].engine == "command");
  CHECK(type->steps[0].args.size() == 3);
  CHECK(type->parameter("p")->default_value == 2);
  const auto error = [&](const std::string& from, const std::string& to) {
    std::string bad = good;
    bad.replace(bad.find(from), from.size(), to);
    const auto parsed = parse_job_type(bad, "t.toml");
    return parsed ? std::string("none") : parsed.error().message();
  };
  CHECK(error("version", "verzion").find("t.toml:2:") == 0);
  CHECK(error("${p}", "${q}").find("t.toml:7:17: no parameter") == 0);
  CHECK(error("p > 1", "p >").find("t.toml:7:") == 0);
  CHECK(error("default = 2", "default = \"x\"").find("a whole number") != std::string::npos);
  CHECK(error("[[steps]]", "[[step]]").find("did you mean steps?") != std::string::npos);
  CHECK(error("summary = \"s\"", "summary = \"\xC3\xBC\"").find("t.toml:3:12: a character beyond ASCII") ==
        0);
  CHECK_FALSE(parse_job_type("", "t.toml"));
}
