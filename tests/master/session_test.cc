// Who speaks as a node: restarts are believed at once, copies are found out and refused.
#include "queue/session.h"

#include <doctest/doctest.h>

using namespace ffrtmp::queue;

namespace {
constexpr int64_t kLease = 1000;
Hearing say(Speakers& who, const char* session, int64_t beat, int64_t now) {
  return hear(who, session, beat, now, kLease);
}
}  // namespace

TEST_CASE("an agent that is started anew takes over, and what its predecessor had under way is late") {
  Speakers who;
  CHECK(say(who, "a", 1, 100) == Hearing::taken_over);
  CHECK(settled(who, 100, kLease));
  CHECK(say(who, "a", 2, 200) == Hearing::current);
  CHECK(say(who, "a", 2, 210) == Hearing::late);
  CHECK(say(who, "b", 1, 300) == Hearing::taken_over);
  CHECK(!settled(who, 300, kLease));
  CHECK(say(who, "a", 2, 310) == Hearing::late);
  CHECK(say(who, "a", 3, 320) == Hearing::late);  // it was under way when a died
  CHECK(say(who, "a", 3, 330) == Hearing::late);
  CHECK(say(who, "b", 2, 400) == Hearing::current);
  CHECK(settled(who, 1300, kLease));
  CHECK(who.refused.empty());
}

TEST_CASE("of two that speak in turns the one that came later is refused, until the first falls silent") {
  Speakers who;
  say(who, "first", 10, 100);
  CHECK(say(who, "copy", 1, 200) == Hearing::taken_over);
  CHECK(say(who, "first", 11, 300) == Hearing::late);
  CHECK(say(who, "copy", 2, 400) == Hearing::current);
  CHECK(say(who, "first", 12, 500) == Hearing::reinstated);
  CHECK(settled(who, 500, kLease));
  CHECK(say(who, "copy", 3, 600) == Hearing::refused);
  CHECK(say(who, "first", 13, 700) == Hearing::current);
  CHECK(say(who, "copy", 4, 1600) == Hearing::refused);
  CHECK(say(who, "copy", 5, 1701) == Hearing::taken_over);
  CHECK(settled(who, 1701, kLease));  // nobody is left who could be wronged
  CHECK(who.refused.empty());
}

TEST_CASE(
    "after a silence a new session is believed without a wait; a session without a name is never a copy") {
  Speakers who;
  say(who, "a", 5, 100);
  CHECK(say(who, "b", 1, 1100) == Hearing::taken_over);
  CHECK(settled(who, 1100, kLease));
  Speakers old;
  for (int64_t now = 0; now < 5; now++) CHECK(say(old, "", 0, now) == Hearing::current);
}
