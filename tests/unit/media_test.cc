#include "jobs/media.h"

#include <doctest/doctest.h>

#include "fake.h"

using namespace ffrtmp;

namespace {
constexpr char kTwoBlocks[] =
    "frame=1\nfps=0.00\nstream_0_0_q=28.0\nbitrate=N/A\ntotal_size=48\nout_time_us=N/A\nout_time=N/"
    "A\ndup_frames=0\n"
    "drop_frames=0\nspeed=N/A\nprogress=continue\n"
    "frame=250\nfps=25.10\nstream_0_0_q=28.0\nbitrate= "
    "1234.5kbits/s\ntotal_size=1543125\nout_time_us=10000000\n"
    "out_time_ms=10000000\nout_time=00:00:10.000000\ndup_frames=2\ndrop_frames=3\nspeed=1.02x\nprogress="
    "end\n";
}

TEST_CASE("the last block of FFmpeg's progress is read in its units") {
  const auto got = parse_progress(kTwoBlocks);
  REQUIRE(got.has_value());
  CHECK(got->frames == 250u);
  CHECK(*got->fps == doctest::Approx(25.1));
  CHECK(*got->bitrate_bps == doctest::Approx(1'234'500));
  CHECK(got->total_bytes == 1'543'125u);
  CHECK(*got->out_time_s == doctest::Approx(10));
  CHECK(*got->speed == doctest::Approx(1.02));
  CHECK(got->duplicated == 2u);
  CHECK(got->dropped == 3u);
  CHECK(got->finished);
}

TEST_CASE("what FFmpeg does not know yet is not made up") {
  const auto got =
      parse_progress("frame=1\nfps=0.00\nbitrate=N/A\nout_time_us=N/A\nspeed=N/A\nprogress=continue\n");
  REQUIRE(got.has_value());
  CHECK_FALSE(got->bitrate_bps);
  CHECK_FALSE(got->out_time_s);
  CHECK_FALSE(got->speed);
  CHECK_FALSE(got->total_bytes);
  CHECK_FALSE(got->finished);
  // Sound alone has no frames.
  CHECK_FALSE(parse_progress("bitrate= 128.0kbits/s\nprogress=continue\n")->frames);
}

TEST_CASE("a block that is half written counts for nothing") {
  CHECK_FALSE(parse_progress(""));
  CHECK_FALSE(parse_progress("frame=12\nfps=25\n"));
  const std::string whole = "frame=2499\nspeed=1.5x\nprogress=continue\n";
  for (const std::string& half : {std::string("frame=2"), std::string("frame=2500\nfps=2"),
                                  std::string("frame=2500\nspeed=0.1x\n"), std::string("frame=2500\nprog")}) {
    CAPTURE(half);
    const auto got = parse_progress(whole + half);
    REQUIRE(got.has_value());
    CHECK(got->frames == 2499u);
    CHECK(*got->speed == doctest::Approx(1.5));
  }
}

TEST_CASE("numbers that are none are left out") {
  for (const std::string bad : {"inf", "nan", "0x10", "1e999", "", "x", "--1", "1.2.3"}) {
    CAPTURE(bad);
    const auto got = parse_progress("fps=" + bad + "\nspeed=" + bad + "x\nframe=" + bad + "\nbitrate=" + bad +
                                    "kbits/s\nprogress=continue\n");
    REQUIRE(got.has_value());
    CHECK_FALSE(got->fps);
    CHECK_FALSE(got->speed);
    CHECK_FALSE(got->frames);
    CHECK_FALSE(got->bitrate_bps);
  }
  CHECK_FALSE(parse_progress("frame=-1\nprogress=continue\n")->frames);
}

TEST_CASE("progress is read from the end of a file, however much stands before") {
  fake::Dir dir;
  std::string text;
  for (int i = 0; i < 5000; i++) text += "frame=" + std::to_string(i) + "\nprogress=continue\n";
  CHECK(read_progress(dir.file("progress", text))->frames == 4999u);
  CHECK_FALSE(read_progress(dir / "absent"));
  CHECK_FALSE(read_progress(dir.file("empty", "")));
}

TEST_CASE("progress in JSON has null for what is not known") {
  const Json json = to_json(MediaProgress{});
  for (const char* key : {"frames", "fps", "speed", "out_time_s", "bitrate_bps", "dropped", "duplicated"}) {
    REQUIRE(json.contains(key));
    CHECK(json[key].is_null());
  }
}

TEST_CASE("the options for progress stand behind the program's name and nothing else changes") {
  CHECK(with_progress({"/opt/ffmpeg", "-i", "a b"}, "/run/x/progress") ==
        std::vector<std::string>{"/opt/ffmpeg", "-progress", "file:/run/x/progress", "-stats_period", "1",
                                 "-i", "a b"});
}
