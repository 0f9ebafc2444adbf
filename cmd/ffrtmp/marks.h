#pragma once

namespace ffrtmp {

/// The signs before a line of a check's: ✓ ! ✗ –, or in brackets where the locale is not UTF-8.
struct Marks {
  const char *good, *lesser, *bad, *none;
};
/// By LC_ALL, LC_CTYPE and LANG, as setlocale(3) takes them: a static program has no locales to load.
const Marks& marks();

}  // namespace ffrtmp
