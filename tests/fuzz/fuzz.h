#pragma once

#include <cstddef>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <string>
#include <string_view>

#include "sys/result.h"

/// A property that holds for every input; libFuzzer keeps the input for which it does not.
#define MUST(property)                                                                   \
  do {                                                                                   \
    if (!(property)) {                                                                   \
      std::fprintf(stderr, "%s:%d: does not hold: %s\n", __FILE__, __LINE__, #property); \
      std::abort();                                                                      \
    }                                                                                    \
  } while (0)

namespace fuzz {

inline std::string_view text(const uint8_t* data, size_t size) {
  return {reinterpret_cast<const char*>(data), size};
}

/// What every refusal owes: one line, safe on a terminal, whatever was given.
inline void check(const ffrtmp::Error& error) {
  const std::string message = error.message();
  MUST(!message.empty());
  for (const unsigned char c : message) MUST(c >= 0x20 && c != 0x7f);
}
template <class T>
const T* value(const ffrtmp::Result<T>& result) {
  if (result) return &*result;
  check(result.error());
  return nullptr;
}

}  // namespace fuzz

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size);
