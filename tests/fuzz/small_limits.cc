#include "cgroup/limit.h"
#include "fuzz.h"

using namespace ffrtmp;

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  const std::string_view text = fuzz::text(data, size);
  if (const auto weight = parse_weight(text); const auto* v = fuzz::value(weight)) {
    MUST(v->value >= 1 && v->value <= 10000);
    MUST(*parse_weight(v2_text(*v)) == *v);
  }
  if (const auto count = parse_count(text); const auto* v = fuzz::value(count)) {
    MUST(v->value >= 1 && v->value <= 4'194'304);
    MUST(*parse_count(v2_text(*v)) == *v);
  }
  if (const auto nice = parse_nice(text); const auto* v = fuzz::value(nice)) {
    MUST(v->value >= -20 && v->value <= 19);
    MUST(*parse_nice(v2_text(*v)) == *v);
  }
  if (const auto score = parse_oom_score(text); const auto* v = fuzz::value(score)) {
    MUST(v->value >= -1000 && v->value <= 1000);
    MUST(*parse_oom_score(v2_text(*v)) == *v);
  }
  if (const auto ionice = parse_ionice(text); const auto* v = fuzz::value(ionice)) {
    MUST(v->level >= 0 && v->level <= 7);
    MUST(v->cls != IoPriority::Class::idle || v->level == 0);
    MUST(*parse_ionice(v2_text(*v)) == *v);
  }
  if (const auto kind = limit_kind(text)) MUST(limit_name(*kind) == text || limit_flag(*kind) == text);
  return 0;
}
