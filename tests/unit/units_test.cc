#include "sys/units.h"

#include <doctest/doctest.h>

using namespace ffrtmp;

TEST_CASE("sizes are powers of 1024, exact, and bounded") {
  CHECK(parse_bytes("2G")->count == 2ull << 30);
  CHECK(parse_bytes("1.5G")->count == 3ull << 29);
  CHECK(parse_bytes("512MiB")->count == 512ull << 20);
  CHECK(parse_bytes("1048576")->count == 1048576);
  CHECK(parse_bytes("8388607T")->count == 8388607ull << 40);
  for (const std::string bad : {"", "G", "-1", "0", "0.0000000001G", "1.G", "2GG", "two", "9999999999999T",
                                "18446744073709551616", "1e9", "0x10", " "})
    CHECK_MESSAGE(!parse_bytes(bad), bad);
}

TEST_CASE("durations add up their parts and are never zero") {
  using namespace std::chrono;
  CHECK(*parse_duration("90") == seconds(90));
  CHECK(*parse_duration("1h30m") == minutes(90));
  CHECK(*parse_duration("1.5s") == milliseconds(1500));
  CHECK(*parse_duration("250ms") == milliseconds(250));
  for (const std::string bad : {"", "0", "-5", "5x", "s", "1.2.3s", "99999999999999d"})
    CHECK_MESSAGE(!parse_duration(bad), bad);
}
