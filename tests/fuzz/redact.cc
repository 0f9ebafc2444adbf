#include "sys/redact.h"

#include <algorithm>

#include "fuzz.h"
#include "sys/text.h"

using namespace ffrtmp;

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  const std::string text(fuzz::text(data, size));
  constexpr std::string_view kSecret = "Zq7HUSHx9";
  if (text.find(kSecret) != std::string::npos) return 0;
  const auto hidden = [&](const std::string& shown) { return shown.find(kSecret) == std::string::npos; };

  // Whatever stands around it in a line: a secret in its usual form is never shown.
  for (const std::string form :
       {"rtmp://h/app/Zq7HUSHx9", "https://h/x?token=Zq7HUSHx9", "rtsp://u:Zq7HUSHx9@cam/1",
        "srt://h:1?passphrase=Zq7HUSHx9", "password=Zq7HUSHx9", "Authorization: Bearer Zq7HUSHx9",
        "[f=flv]rtmp://a/b/Zq7HUSHx9|[f=flv]rtmp://c/d/Zq7HUSHx9"}) {
    MUST(hidden(redact_text(text + " " + form + " " + text)));
    MUST(hidden(redact_text(form)));
    MUST(hidden(redact(form)));
    MUST(hidden(join(redact(std::vector<std::string>{"ffmpeg", text, "-i", form, text}), " ")));
  }
  const auto argv =
      redact(std::vector<std::string>{"ffmpeg", text, "-passphrase", std::string(kSecret), text});
  MUST(argv.size() == 5);
  MUST(hidden(argv[3]) || text == "-passphrase" || text.starts_with("-"));

  (void)redact(text);
  (void)redact_text(text);
  // Words alone hide nothing.
  const bool plain =
      std::ranges::all_of(text, [](char c) { return (c >= 'a' && c <= 'z') || c == ' ' || c == '\n'; });
  if (plain) MUST(redact_text(text) == text && redact(text) == text);
  return 0;
}
