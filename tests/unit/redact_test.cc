#include "sys/redact.h"

#include <doctest/doctest.h>

#include "sys/text.h"

using namespace ffrtmp;

namespace {

std::string shown(const std::vector<std::string>& argv) { return join(redact(argv), " "); }

/// Every secret of these tests is spelled with this word: no output may hold it.
bool leaks(const std::string& text) { return text.find("HUSH") != std::string::npos; }

}  // namespace

TEST_CASE("a stream key is hidden and the server that it goes to is not") {
  CHECK(redact("rtmp://live.twitch.tv/app/live_HUSH") == "rtmp://live.twitch.tv/app/***");
  CHECK(redact("rtmps://a.rtmps.youtube.com:443/live2/HUSH-HUSH?backup=1") ==
        "rtmps://a.rtmps.youtube.com:443/live2/***");
  CHECK(redact("RTMP://host/app/HUSH") == "RTMP://host/app/***");
  CHECK(redact("rtmpt://host/app/inst/HUSH/HUSH") == "rtmpt://host/app/***");
  CHECK(redact("rtmp://host/app") == "rtmp://host/app");
  CHECK(redact("rtmp://host/app/") == "rtmp://host/app/");
}

TEST_CASE("every output of the tee muxer is redacted") {
  const std::string got = redact(
      "[f=flv:onfail=ignore]rtmp://a.example/app/HUSH1|[f=flv]rtmps://b.example/live2/HUSH2|"
      "[f=mpegts:select=\\'v\\']srt://c.example:9000?streamid=publish:HUSH3&passphrase=HUSH4|local.mp4");
  CHECK_FALSE(leaks(got));
  CHECK(got.find("[f=flv:onfail=ignore]rtmp://a.example/app/***|[f=flv]rtmps://b.example/live2/***|") == 0);
  CHECK(got.find("srt://c.example:9000?streamid=***&passphrase=***") != std::string::npos);
  CHECK(got.ends_with("|local.mp4"));
}

TEST_CASE("SRT's streamid and passphrase are hidden and its other options are not") {
  CHECK(redact("srt://h:9000?mode=caller&latency=200&streamid=HUSH&pbkeylen=32&passphrase=HUSH") ==
        "srt://h:9000?mode=caller&latency=200&streamid=***&pbkeylen=32&passphrase=***");
  CHECK_FALSE(leaks(redact("srt://h:9000?streamid=#!::r=live/HUSH,m=publish")));
  CHECK_FALSE(leaks(redact("rist://h:1234?cname=x&secret=HUSH")));
}

TEST_CASE("user and password go out of any URL") {
  CHECK(redact("rtsp://admin:HUSH@10.0.0.5:554/Streaming/Channels/101") ==
        "rtsp://***@10.0.0.5:554/Streaming/Channels/101");
  CHECK(redact("http://HUSH@host/x") == "http://***@host/x");
  CHECK(redact("icecast://source:HUSH@radio:8000/live.mp3") == "icecast://***@radio:8000/live.mp3");
  CHECK(redact("ftp://u:p%40HUSH@h/f") == "ftp://***@h/f");
  CHECK(redact("rtsp://u:p@HUSH@h/f") == "rtsp://***@h/f");
  CHECK(redact("http://[::1]:80/x") == "http://[::1]:80/x");
  CHECK_FALSE(leaks(redact("async:cache:http://u:HUSH@h/x")));
  // Cameras take any character in a password, and FFmpeg takes it as it is.
  for (const std::string url :
       {"rtsp://admin:HU'HUSH@cam/1", "rtsp://admin:a]HUSH@cam/1", "rtsp://admin:a|HUSH@cam/1",
        "rtsp://admin:a\"HUSH@cam/1", "rtsp://admin:HUSH|b@cam/1", "rtsp://admin:HUSH'b@cam/1"})
    CHECK_MESSAGE(!leaks(redact(url)), url);
}

TEST_CASE("secrets in queries are hidden by their names and the rest stays readable") {
  CHECK(redact("https://cdn/x.m3u8?token=HUSH&quality=high") == "https://cdn/x.m3u8?token=***&quality=high");
  for (const std::string query :
       {"X-Amz-Signature=HUSH", "X-Amz-Credential=HUSH", "X-Amz-Security-Token=HUSH", "Signature=HUSH",
        "sig=HUSH", "key=HUSH", "api_key=HUSH", "apikey=HUSH", "access_key=HUSH", "accessToken=HUSH",
        "auth=HUSH", "password=HUSH", "pwd=HUSH", "hdnts=exp=1~hmac=HUSH", "jwt=HUSH", "secret=HUSH",
        "session_id=HUSH", "wmsAuthSign=HUSH"}) {
    CAPTURE(query);
    CHECK_FALSE(leaks(redact(std::string("https://cdn/x.ts?a=1&") + query + "&b=2")));
    CHECK(redact(std::string("https://cdn/x.ts?a=1&") + query + "&b=2").find("a=1") != std::string::npos);
    CHECK(redact(std::string("https://cdn/x.ts?a=1&") + query + "&b=2").ends_with("&b=2"));
  }
  CHECK_FALSE(leaks(redact("https://h/x#access_token=HUSH")));
  CHECK(redact("https://h/x?start=10&width=1280") == "https://h/x?start=10&width=1280");
}

TEST_CASE("options whose value is a secret lose it in the next argument or behind the equals sign") {
  for (const std::string option :
       {"-password", "-passphrase", "--token", "-key", "-decryption_key", "-encryption_key", "-hls_enc_key",
        "-cookies", "-authorization", "-srtp_out_params", "-srtp_in_params", "-rtmp_playpath", "-rtmp_conn",
        "-srt_streamid", "--stream-key", "--api-key"}) {
    CAPTURE(option);
    CHECK(shown({"ffmpeg", option, "HUSH", "-y", "out.ts"}) ==
          std::string("ffmpeg ") + option + " *** -y out.ts");
  }
  CHECK(shown({"tool", "--token=HUSH", "x"}) == "tool --token=*** x");
  for (const std::string assignment :
       {"STREAM_KEY=HUSH", "TWITCH_KEY=HUSH", "AWS_SECRET_ACCESS_KEY=HUSH", "password=HUSH",
        "DB_PASSWORD=HUSH", "auth-token=HUSH", "stream-key=HUSH"}) {
    CAPTURE(assignment);
    CHECK_FALSE(leaks(redact(assignment)));
    CHECK(
        redact(assignment).starts_with(std::string(assignment).substr(0, std::string(assignment).find('='))));
  }
}

TEST_CASE("HTTP headers on a command line lose the values that open doors") {
  CHECK(shown({"ffmpeg", "-headers", "Authorization: Bearer HUSH", "-i", "https://h/x"}) ==
        "ffmpeg -headers Authorization: *** -i https://h/x");
  for (const std::string headers :
       {"Authorization: Basic HUSH\r\nX-Other: 1\r\n", "User-Agent: x\r\nAuthorization: Bearer HUSH",
        "authorization:HUSH", "Cookie: session=HUSH; theme=dark", "X-Api-Key: HUSH", "X-Auth-Token: HUSH",
        "Referer: https://h/?token=HUSH"}) {
    CAPTURE(headers);
    CHECK_FALSE(leaks(shown({"ffmpeg", "-headers", headers, "-i", "https://h/x"})));
  }
}

TEST_CASE("a GStreamer pipeline's sinks are redacted, librtmp's options behind the URL included") {
  CHECK_FALSE(
      leaks(shown({"gst-launch-1.0", "rtmpsink", "location=\"rtmp://a.example/live2/HUSH live=1\""})));
  CHECK_FALSE(leaks(shown({"gst-launch-1.0", "rtmpsink", "location=rtmp://a.example/live2/HUSH live=1"})));
  CHECK_FALSE(leaks(redact("rtmp://a.example/live2 playpath=HUSH live=1")));
  CHECK_FALSE(leaks(redact("rtmp://a.example/live2 app=live2 token=HUSH live=1")));
  CHECK_FALSE(leaks(shown({"gst-launch-1.0", "rtmp2sink", "location=rtmps://a.example/live2/HUSH"})));
  CHECK_FALSE(
      leaks(shown({"gst-launch-1.0", "srtsink", "uri=srt://h:1", "passphrase=HUSH", "streamid=HUSH"})));
  CHECK_FALSE(leaks(shown({"gst-launch-1.0", "whipsink", "auth-token=HUSH"})));
  CHECK_FALSE(
      leaks(shown({"gst-launch-1.0", "rtspsrc", "location=rtsp://cam/1", "user-id=me", "user-pw=HUSH"})));
  CHECK_FALSE(leaks(
      shown({"gst-launch-1.0", "rtmpsink location=\"rtmp://a/b/HUSH live=1\" videotestsrc ! x264enc"})));
}

TEST_CASE("what is no secret is shown as it is") {
  const std::vector<std::string> plain = {"ffmpeg",
                                          "-nostdin",
                                          "-re",
                                          "-i",
                                          "in put.mp4",
                                          "-c:v",
                                          "libx264",
                                          "-x264-params",
                                          "keyint=60:min-keyint=60",
                                          "-g",
                                          "60",
                                          "-b:v",
                                          "3M",
                                          "-force_key_frames",
                                          "expr:gte(t,n_forced*2)",
                                          "-hls_key_info_file",
                                          "enc.keyinfo",
                                          "-map",
                                          "0:v:0",
                                          "-filter_complex",
                                          "[0:v]scale=1280:-2,drawtext=text='a=b':x=10[v]",
                                          "-passlogfile",
                                          "/tmp/x",
                                          "-user_agent",
                                          "Mozilla/5.0",
                                          "-f",
                                          "hls",
                                          "-hls_time",
                                          "6",
                                          "https://cdn.example/live/x.m3u8?start=10",
                                          "file:/srv/keys/../out.mp4",
                                          "key frame",
                                          "-"};
  CHECK(redact(plain) == plain);
  // The number of a two-pass encode is not a password, nor is an author an authorization.
  CHECK(shown({"ffmpeg", "-pass", "1"}) == "ffmpeg -pass 1");
  CHECK(shown({"ffmpeg", "-metadata", "author=Jane"}) == "ffmpeg -metadata author=Jane");
}

TEST_CASE("log lines lose what command lines lose") {
  for (const std::string line :
       {"Output #0, flv, to 'rtmp://live.example/app/HUSH':",
        "rtmp://live.example/app/HUSH: Input/output error",
        "[tee @ 0x55] All tee outputs failed: [f=flv]rtmp://a/b/HUSH|[f=flv]rtmp://c/d/HUSH",
        "[hls @ 0x5] Opening 'https://cdn/x.ts?token=HUSH&a=1' for writing",
        "[rtsp @ 0x5] method DESCRIBE failed: rtsp://admin:HUSH@cam/1: 401 Unauthorized",
        "[srt @ 0x1] srt://h:9000?passphrase=HUSH connection refused", "WARN password=HUSH token=HUSH",
        "Authorization: Bearer HUSH", "> Authorization: Basic HUSH",
        "[http] header='Authorization: Bearer HUSH'",
        "request headers: authorization: Digest username=HUSH, realm=HUSH", "X-Api-Key: HUSH",
        "Set-Cookie: session=HUSH; path=/", "Cookie: a=HUSH; b=HUSH",
        "ffmpeg -headers 'Authorization: Bearer HUSH' -i x", "ffmpeg -passphrase HUSH -i x",
        "Setting pipeline: rtmpsink location=\"rtmp://a/b/HUSH live=1 playpath=HUSH\""}) {
    CAPTURE(line);
    CAPTURE(redact_text(line));
    CHECK_FALSE(leaks(redact_text(line)));
  }
  const std::string plain =
      "frame= 100 fps= 25 q=28.0 size=    1024kB time=00:00:04.00 bitrate=2097.2kbits/s speed=1.0x";
  CHECK(redact_text(plain) == plain);
  CHECK(redact_text("Error while parsing key: expected a name, saw ','") ==
        "Error while parsing key: expected a name, saw ','");
  CHECK(redact_text("a  b\tc\nd ") == "a  b\tc\nd ");
  CHECK(redact_text("Output to 'rtmp://h/app/HUSH' failed") == "Output to 'rtmp://h/app/***' failed");
}

TEST_CASE("redacting what is redacted changes nothing, and no text makes it fail") {
  for (const std::string text :
       {"rtmp://h/a/k?x=1#y", "srt://h?streamid=a", "Authorization: b c", "a=b", "://", "://@", "x://",
        "rtmp:///", "rtmp:////a", "http://?#", "http://#?", "-", "--", "=", "-=", "\xff://\xff@\xff"}) {
    const std::string once = redact(text);
    CHECK(redact(once) == once);
    CHECK_NOTHROW(redact_text(text));
  }
  CHECK(redact(std::vector<std::string>{}).empty());
  CHECK(redact(std::vector<std::string>{"-token"}) == std::vector<std::string>{"-token"});
}
