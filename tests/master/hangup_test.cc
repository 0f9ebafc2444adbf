#include "net/hangup.h"

#include <doctest/doctest.h>
#include <sys/socket.h>

#include <atomic>

using namespace ffrtmp;
using namespace ffrtmp::net;

namespace {
struct Pair {
  Pair() {
    int ends[2];
    REQUIRE(::socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends) == 0);
    ours = Fd(ends[0]);
    theirs = Fd(ends[1]);
  }
  Fd ours, theirs;
};
}  // namespace

TEST_CASE("a peer that leaves is told of once, behind what it said last; one that speaks is not") {
  HangupWatch watch;
  REQUIRE(watch.start());
  Pair talks, leaves, answered;
  std::atomic<int> talked = 0, left = 0, late = 0;
  watch.add(talks.ours.get(), [&] { talked++; });
  const uint64_t ticket = watch.add(answered.ours.get(), [&] { late++; });
  watch.remove(answered.ours.get(), ticket);
  answered.theirs.reset();
  REQUIRE(::send(talks.theirs.get(), "x", 1, 0) == 1);
  REQUIRE(::send(leaves.theirs.get(), "close_notify", 12, 0) == 12);
  ::shutdown(leaves.theirs.get(), SHUT_WR);
  // Gone before it is watched is gone all the same.
  watch.add(leaves.ours.get(), [&] {
    left++;
    left.notify_all();
  });
  left.wait(0);
  CHECK(HangupWatch::gone(leaves.ours.get()));
  CHECK(!HangupWatch::gone(talks.ours.get()));
  leaves.theirs.reset();
  Pair last;
  std::atomic<int> seen = 0;
  watch.add(last.ours.get(), [&] {
    seen++;
    seen.notify_all();
  });
  last.theirs.reset();
  seen.wait(0);
  CHECK(talked == 0);
  CHECK(left == 1);
  CHECK(late == 0);
}
