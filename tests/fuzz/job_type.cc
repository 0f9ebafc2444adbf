#include "types/job_type.h"

#include "fuzz.h"
#include "types/expr.h"

using namespace ffrtmp;

/// A type's file is somebody's typing: it is read or refused with a place, never more.
extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  const std::string text(fuzz::text(data, size));
  const auto parsed = parse_job_type(text, "fuzzed.toml");
  if (const JobType* type = fuzz::value(parsed)) {
    MUST(!type->name.empty() && type->version >= 1 && !type->steps.empty());
    for (const auto& spec : type->parameters) {
      MUST(!expectation(spec).empty());
      // A default that is no template is what the parameter itself would take.
      if (spec.default_value.is_null() || spec.kind == ParameterKind::list) continue;
      const auto shown = text_of(spec.default_value);
      MUST(shown.has_value());
    }
  } else {
    MUST(parsed.error().step.starts_with("fuzzed.toml:"));
  }
  // The same text as a template.
  Scope scope;
  scope.names = {{"a", 3}, {"b", "text"}, {"list", {1, "two", nullptr}}, {"nothing", nullptr}};
  const auto expanded = expand(text, scope);
  std::set<std::string> names;
  const auto checked = check_template(text, names);
  if (fuzz::value(expanded)) {
    MUST(checked.has_value());  // what can be expanded can be read
    for (const auto& name : names) MUST(!name.empty());
  }
  if (!checked) fuzz::check(checked.error());
  return 0;
}
