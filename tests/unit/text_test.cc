#include "sys/text.h"

#include <doctest/doctest.h>

#include <array>
#include <cstdio>
#include <memory>

#include "sys/result.h"

using namespace ffrtmp;

TEST_CASE("text is parted without losing or making up anything") {
  CHECK(trim(" \t a b \r\n") == "a b");
  CHECK(trim(" \n") == "");
  CHECK(words(std::string_view("  a\t b\n\nc ")) == std::vector<std::string_view>{"a", "b", "c"});
  CHECK(words(std::string_view("")).empty());
  CHECK(split(std::string_view(",a,,"), ',') == std::vector<std::string_view>{"", "a", "", ""});
  CHECK(split(std::string_view(""), ',').size() == 1);
  CHECK(lines(std::string_view("a\n\nb")) == std::vector<std::string_view>{"a", "", "b"});
  CHECK(lines(std::string_view("a\n")) == std::vector<std::string_view>{"a"});
  CHECK(lines(std::string_view("")).empty());
  CHECK(join({"a", "b"}, ", ") == "a, b");
}

TEST_CASE("whole numbers have nothing before, behind or beyond them") {
  CHECK(parse_u64("18446744073709551615") == 18446744073709551615ull);
  CHECK(parse_u64("007") == 7u);
  for (const std::string bad : {"", " 1", "1 ", "-1", "+1", "1.0", "0x1", "1e3", "18446744073709551616", "١"})
    CHECK_MESSAGE(!parse_u64(bad), bad);
  CHECK(parse_i64("-9223372036854775808") == INT64_MIN);
  CHECK(parse_i64("+3") == 3);
  for (const std::string bad : {"", "-", "+", "+-1", "--1", "9223372036854775808", "1 "})
    CHECK_MESSAGE(!parse_i64(bad), bad);
}

TEST_CASE("what is printed cannot drive a terminal or break a line") {
  CHECK(printable("plain, ünï © 日本 🎥") == "plain, ünï © 日本 🎥");
  CHECK(printable("a\nb\tc\x1b[31m\x7f") == "a\\x0ab\\x09c\\x1b[31m\\x7f");
  CHECK(printable(std::string_view("\0x", 2)) == "\\x00x");
  CHECK(printable("\xc2\x9b") == "\\xc2\\x9b");           // CSI as a C1 control
  CHECK(printable("\xff\xfe") == "\\xff\\xfe");           // never UTF-8
  CHECK(printable("\xc0\xaf") == "\\xc0\\xaf");           // overlong
  CHECK(printable("\xed\xa0\x80") == "\\xed\\xa0\\x80");  // half a surrogate pair
  CHECK(printable("\xf4\x90\x80\x80") == "\\xf4\\x90\\x80\\x80");
  CHECK(printable("\xe6\x97") == "\\xe6\\x97");  // cut short
}

TEST_CASE("an argument quoted for the shell reaches a program as it was") {
  CHECK(shell_quote("plain-1.0_/x:y=z") == "plain-1.0_/x:y=z");
  CHECK(shell_quote("") == "''");
  CHECK(shell_quote("a b") == "'a b'");
  CHECK(shell_quote(std::vector<std::string>{"a", "b c"}) == "a 'b c'");
  const std::vector<std::string> hard = {"",
                                         "a b",
                                         "it's",
                                         "'",
                                         "''",
                                         "$HOME",
                                         "`id`",
                                         "$(id)",
                                         "a\nb",
                                         "*",
                                         "\\",
                                         "\\n",
                                         "\"",
                                         "~",
                                         "#",
                                         "!x",
                                         "a;b",
                                         "&",
                                         "[f=flv]rtmp://x|y",
                                         "ü"};
  std::string command = "printf '%s\\1' ";
  std::string expected;
  for (const auto& argument : hard) expected += argument + '\1';
  command += shell_quote(hard);
  const std::unique_ptr<FILE, int (*)(FILE*)> shell(::popen(command.c_str(), "r"), ::pclose);
  REQUIRE(shell);
  std::string got;
  std::array<char, 512> buffer;
  while (const size_t n = fread(buffer.data(), 1, buffer.size(), shell.get())) got.append(buffer.data(), n);
  CHECK(got == expected);
}

TEST_CASE("a typing error finds its word and nonsense finds none") {
  const std::vector<std::string> known{"cpu-max", "memory-max", "nice"};
  CHECK(nearest("cpu-mx", known) == "cpu-max");
  CHECK(nearest("memry-max", known) == "memory-max");
  CHECK(nearest("nicee", known) == "nice");
  CHECK_FALSE(nearest("frobnicate", known));
  CHECK_FALSE(nearest("", known));
  CHECK_FALSE(nearest("x", {}));
}

TEST_CASE("an error is one line that tells step, object, cause and remedy") {
  const Error error{"opening", "/a", ENOENT, "look elsewhere", ExitCode::ours};
  CHECK(error.message() == "opening /a: No such file or directory; look elsewhere");
  CHECK(Error{"no command", "", 0, "", ExitCode::ours}.message() == "no command");
  // Names of files and words of operators get into all three: none may drive the terminal.
  const Error hostile{"in a\nb", "c\x1b[2J", EINVAL, "there are d\r\ne", ExitCode::ours};
  for (const char c : hostile.message()) CHECK(static_cast<unsigned char>(c) >= 0x20);
}
