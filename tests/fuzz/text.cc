#include "sys/text.h"

#include "fuzz.h"
#include "sys/json.h"

using namespace ffrtmp;

namespace {

/// A POSIX shell's reading of one quoted word; the words are joined by the caller.
std::string unquoted(std::string_view text) {
  std::string out;
  bool inside = false;
  for (size_t i = 0; i < text.size(); i++) {
    if (text[i] == '\'')
      inside = !inside;
    else if (!inside && text[i] == '\\')
      out += text[++i];
    else {
      // What stands outside quotes must mean nothing to a shell.
      if (!inside) MUST(std::string_view(" \t\n|&;<>()$`\"*?[#~!{}").find(text[i]) == std::string_view::npos);
      out += text[i];
    }
  }
  MUST(!inside);
  return out;
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  const std::string_view text = fuzz::text(data, size);
  const std::string shown = printable(text);
  for (const unsigned char c : shown) MUST(c >= 0x20 && c != 0x7f);
  MUST(printable(shown) == shown);
  Json strict = shown;
  MUST(strict.dump() == dump_json(strict));  // throws on what is not UTF-8
  MUST(unquoted(shell_quote(text)) == text);

  size_t letters = 0;
  for (const auto word : words(text)) {
    MUST(!word.empty());
    letters += word.size();
  }
  MUST(letters <= size);
  size_t joined = 0;
  for (const auto part : split(text, ',')) joined += part.size() + 1;
  MUST(joined == size + 1);
  for (const auto line : lines(text)) MUST(line.find('\n') == std::string_view::npos);
  if (const auto number = parse_u64(text)) MUST(parse_u64(std::to_string(*number)) == number);
  if (const auto number = parse_i64(text)) MUST(parse_i64(std::to_string(*number)) == number);
  if (size < 64) (void)nearest(text, {"cpu-max", "memory-max", std::string(text)});
  return 0;
}
