#include <doctest/doctest.h>

#include <algorithm>

#include "fake.h"
#include "media/encoders.h"
#include "media/energy.h"
#include "media/hls.h"
#include "media/image_header.h"
#include "media/info.h"
#include "media/ladder.h"
#include "media/location.h"
#include "media/progress.h"
#include "sys/text.h"
#include "types/segments.h"

using namespace ffrtmp;

namespace {
std::string args_of(const char* encoder, const VideoSettings& settings) {
  return join(video_args(*encoder_named(encoder), settings), " ");
}
}  // namespace

TEST_CASE("each encoder gets options of its own") {
  VideoSettings s;
  s.quality = 23;
  s.preset = "fast";
  CHECK(args_of("libx264", s) == "-c:v libx264 -preset:v fast -crf:v 23 -pix_fmt:v yuv420p");
  CHECK(args_of("h264_nvenc", s) == "-c:v h264_nvenc -preset:v p3 -rc:v vbr -cq:v 23 -b:v 0");
  CHECK(args_of("h264_vaapi", s) == "-c:v h264_vaapi -qp:v 23");  // no -preset
  CHECK(args_of("h264_qsv", s) == "-c:v h264_qsv -preset:v fast -global_quality:v 23");
  CHECK(args_of("libvpx-vp9", s).find("-preset") == std::string::npos);
  CHECK(args_of("libsvtav1", s).find("-preset:v 8") != std::string::npos);
  s.bitrate = "2M";
  CHECK(args_of("libx264", s) == "-c:v libx264 -b:v 2M -preset:v fast -pix_fmt:v yuv420p");
  s.gop = 50;
  CHECK(args_of("libx264", s).find("-g:v 50 -keyint_min:v 50 -sc_threshold:v 0") != std::string::npos);
  CHECK(device_args(*encoder_named("hevc_vaapi"), "/dev/dri/renderD128") ==
        std::vector<std::string>{"-vaapi_device", "/dev/dri/renderD128"});
  CHECK(upload_filter(*encoder_named("h264_vaapi")) == "format=nv12,hwupload");
}

TEST_CASE("a ladder has the usual heights up to the input's own, and its shape") {
  const auto rungs = ladder_for(1920, 1080, 100000);
  REQUIRE(rungs.size() == 5);
  CHECK((rungs[0].height == 1080 && rungs[4].height == 240));
  CHECK(std::ranges::is_sorted(rungs, std::ranges::greater{}, &Rung::video_kbps));
  CHECK(ladder_for(1920, 1080, 480)[0].height == 480);
  const auto portrait = ladder_for(1080, 1920, 720);
  CHECK((portrait[0].width == 720 && portrait[0].height == 1280 && portrait[0].side == 720));
  CHECK(ladder_for(101, 77, 1080).size() == 1);
  CHECK(ladder_for(101, 77, 1080)[0].height % 2 == 0);
  CHECK(ladder_for(0, 0, 1080).empty());
}

TEST_CASE("locations: what is an address, what is a file, what FFmpeg may open") {
  CHECK(scheme_of("concat:a|b") == "concat");
  CHECK(scheme_of("subfile,,start,0,end,9,,:x") == "subfile");
  CHECK(scheme_of("RTMP://h/a") == "rtmp");
  CHECK_FALSE(scheme_of("a, b.mp4"));
  CHECK_FALSE(scheme_of("/x/y:z.mp4"));
  CHECK(ffmpeg_location("-y.mp4") == "file:./-y.mp4");
  CHECK(protocols_for("file:x") == "file");
  CHECK(protocols_for("https://h/x").find("file") == std::string::npos);
  CHECK(looks_like_playlist("#EXTM3U\n"));
  CHECK(looks_like_playlist("\xEF\xBB\xBF#EXTM3U\n"));
  CHECK(looks_like_playlist("ffconcat version 1.0\n"));
  CHECK(looks_like_playlist("<?xml version='1.0'?><MPD>"));
  CHECK_FALSE(
      looks_like_playlist(std::string_view("\0\0\0\x20"
                                           "ftypisom",
                                           12)));
}

TEST_CASE("progress of GStreamer and of line patterns") {
  CHECK(parse_gst_progress("x\nprogressreport0 (00:00:05): 5 / 30 seconds (16.7 %)\n")->out_time_s == 5);
  CHECK_FALSE(parse_gst_progress("progressreport0 (00:00:05): 5 / 30 buffers"));
  const auto found = match_last_line("step {*}: {percent}% at {fps} fps",
                                     "step 1: 3% at 9 fps\r  step two:  42.5%  at 12 fps\nother");
  REQUIRE(found.has_value());
  CHECK((found->percent == 42.5 && found->fps == 12));
  CHECK_FALSE(match_last_line("{percent}%", "none here"));
  CHECK_FALSE(check_line_pattern("no field"));
  CHECK_FALSE(check_line_pattern("{percnt}"));
  CHECK_FALSE(check_line_pattern("{percent"));
  CHECK(filter_quote("a:b'c,d") == "a\\\\:b\\\\\\'c\\,d");
  CHECK(gst_quote("a \"b\"") == "\"a \\\"b\\\"\"");
}

TEST_CASE("ffprobe's report, with what is missing left out") {
  const auto info = parse_ffprobe(
      R"({"format":{"format_name":"mov,mp4","duration":"3.5","size":"99"},"streams":[
          {"codec_type":"video","codec_name":"h264","width":320,"height":180,"avg_frame_rate":"30000/1001","side_data_list":[{"rotation":-90}]},
          {"codec_type":"video","codec_name":"mjpeg","disposition":{"attached_pic":1}},
          {"codec_type":"audio","codec_name":"aac","sample_rate":"N/A"}]})",
      "x");
  REQUIRE(info.has_value());
  CHECK(info->duration_s == 3.5);
  CHECK(info->count("video") == 1);
  CHECK(info->first("video")->rotation == 90);
  CHECK(info->first("video")->shown_width() == 180);
  CHECK(*info->first("video")->fps == doctest::Approx(29.97).epsilon(0.001));
  CHECK_FALSE(info->first("audio")->sample_rate);
  CHECK_FALSE(parse_ffprobe("{}", "x"));
  CHECK_FALSE(parse_ffprobe("nonsense", "x"));
}

TEST_CASE("playlists, cues and picture headers") {
  const auto list =
      parse_hls("#EXTM3U\n#EXT-X-TARGETDURATION:6\n#EXTINF:6.0,\na.ts\n#EXTINF:2.5,\nb.ts\n#EXT-X-ENDLIST\n");
  REQUIRE(list.has_value());
  CHECK((list->segments.size() == 2 && list->duration_s() == 8.5 && list->ended && !list->master));
  CHECK_FALSE(parse_hls("#EXTINF:6\n"));
  CHECK_FALSE(parse_hls("#EXTM3U\n#EXTINF:x,\na.ts\n"));
  CHECK_FALSE(parse_hls("#EXTM3U\n#EXTINF:2,\n"));
  const auto cues = parse_webvtt(format_webvtt({{0, 1.5, "s.jpg#xywh=0,0,1,1"}, {3599, 3601, "x"}}));
  REQUIRE(cues.has_value());
  CHECK((cues->size() == 2 && (*cues)[1].end_s == 3601 && (*cues)[0].text == "s.jpg#xywh=0,0,1,1"));
  CHECK_FALSE(parse_webvtt("WEBVTT\n\n00:02.000 --> 00:01.000\nx\n"));
  std::string png("\x89PNG\r\n\x1A\n\0\0\0\rIHDR\0\0\1\x2C\0\0\0\x64", 24);
  const auto header = read_image_header(png + "\x08\x02");
  REQUIRE(header.has_value());
  CHECK((header->width == 300 && header->height == 100));
  CHECK_FALSE(read_image_header("\xFF\xD8\xFF"));
  CHECK_FALSE(read_image_header(""));
}

TEST_CASE("energy counters wrap, and parts of a package are not counted twice") {
  const fake::Dir dir;
  const auto domain = [&](const std::string& name, const char* label, const char* value) {
    dir.file(name + "/name", label);
    dir.file(name + "/max_energy_range_uj", "1000000\n");
    dir.file(name + "/energy_uj", value);
  };
  domain("intel-rapl:0", "package-0\n", "900000\n");
  domain("intel-rapl:0:0", "core\n", "0\n");
  domain("intel-rapl:1", "psys\n", "0\n");
  EnergyMeter meter(dir.path());
  REQUIRE(meter.readable());
  dir.file("intel-rapl:0/energy_uj", "100000\n");
  dir.file("intel-rapl:0:0/energy_uj", "900000\n");
  meter.sample();
  CHECK(meter.joules() == doctest::Approx(0.2));
  CHECK_FALSE(EnergyMeter(dir / "none").readable());
}

TEST_CASE("segments move when they are whole; only segments are let go, oldest first") {
  const fake::Dir dir;
  dir.folder("from");
  dir.folder("to");
  const std::string names[] = {"segment-20260101-000000.mkv", "segment-20260101-000100.mkv",
                               "segment-20260101-000200.mkv"};
  for (const auto& name : names) dir.file("from/" + name, std::string(100, 'x'));
  dir.file("to/mine.mkv", std::string(1000, 'x'));
  dir.file("list", names[0] + ",0,1\n../../etc/passwd,0,1\n");
  SegmentKeeper keeper(dir / "list", dir / "from", dir / "to", std::nullopt, 150.0, VerifyLevel::none);
  keeper.collect();
  CHECK(keeper.count() == 1);
  CHECK(dir.has("to/" + names[0]));
  CHECK(dir.has("from/" + names[1]));
  // A line that is being written is read when it is whole.
  dir.file("list", names[0] + ",0,1\n../../etc/passwd,0,1\n" + names[1].substr(0, 20));
  keeper.collect();
  CHECK(keeper.count() == 1);
  dir.file("list", names[0] + ",0,1\n../../etc/passwd,0,1\n" + names[1] + ",1,2\n");
  keeper.collect();
  CHECK(keeper.count() == 2);
  CHECK(keeper.broken().empty());
  CHECK_FALSE(dir.has("to/" + names[0]));
  CHECK(dir.has("to/" + names[1]));
  CHECK(dir.has("to/mine.mkv"));
  // A list that was begun anew is read from its start.
  dir.file("list", names[2] + ",0,1\n");
  keeper.collect();
  CHECK(keeper.count() == 3);
}

TEST_CASE("a segment that cannot be read is kept and told") {
  const fake::Dir dir;
  dir.folder("from");
  dir.folder("to");
  const std::string name = "segment-20260101-000000.mkv";
  dir.file("from/" + name, std::string(100, 'x'));
  dir.file("list", name + ",0,1\n");
  SegmentKeeper keeper(dir / "list", dir / "from", dir / "to", std::nullopt, std::nullopt,
                       VerifyLevel::quick);
  keeper.collect();
  CHECK(dir.has("to/" + name));
  REQUIRE(keeper.broken().size() == 1);
  CHECK(keeper.broken()[0]["path"] == dir / "to/" + name);
}
