#include "fuzz.h"
#include "proc/procfs.h"

using namespace ffrtmp;

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  const std::string_view text = fuzz::text(data, size);
  const auto stat = parse_stat(text);
  if (!stat) return 0;
  MUST(text.find("(" + stat->comm + ")") != std::string_view::npos);
  // A process may call itself anything: its name never shifts what stands behind it.
  const std::string rest(text.substr(text.rfind(')') + 1));
  const auto renamed = parse_stat(std::to_string(stat->pid) + " (x) S 1 2) R (" + ")" + rest);
  MUST(renamed.has_value());
  MUST(renamed->start_ticks == stat->start_ticks && renamed->ppid == stat->ppid &&
       renamed->nice == stat->nice);
  return 0;
}
