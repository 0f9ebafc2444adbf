#include "store/steady_clock.h"

#include <doctest/doctest.h>
#include <unistd.h>

using namespace ffrtmp;
using namespace ffrtmp::store;

TEST_CASE("the steady clock follows by a twentieth, however often it is asked") {
  constexpr int64_t kStart = 1'000'000'000, kAhead = 3'600'000;
  SteadyClock often, seldom;
  const int64_t begin = monotonic_now().count() / 1'000'000;
  const auto passed = [&] { return monotonic_now().count() / 1'000'000 - begin; };
  often.start(kStart, 0);
  seldom.start(kStart, 0);
  int64_t last = kStart;
  while (passed() < 400) {
    const int64_t now = often.now(kStart + passed() + kAhead);
    CHECK(now >= last);
    last = now;
    ::usleep(1000);
  }
  const int64_t elapsed = passed();
  for (const int64_t gained : {often.now(kStart + elapsed + kAhead) - kStart - elapsed,
                               seldom.now(kStart + elapsed + kAhead) - kStart - elapsed}) {
    CHECK(gained >= elapsed / 20 - 5);
    CHECK(gained <= elapsed / 20 + 50);  // of the moments between two readings on a busy machine
  }
}
