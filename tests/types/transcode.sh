# shellcheck shell=bash disable=SC2015,SC2016,SC2154
# transcode: codecs, sizes, rates and pieces, each looked at by ffprobe and decoded whole.
# timeout: 300
# shellcheck source=tests/types/lib.sh
. "$TESTS/lib.sh"
film in.mp4 4
before=$(sha256sum <in.mp4)
expect 0 ffrtmp job transcode in.mp4 -o out.mp4 -p height=90 -p preset=ultrafast --job-id "$TAG"
assert_eq "h264 160 90" "$(stream out.mp4 v codec_name) $(stream out.mp4 v width) $(stream out.mp4 v height)"
assert_eq "audio video " "$(streams out.mp4)"
assert_lasts 4 out.mp4
assert_decodes out.mp4
nothing_left
assert_eq "$before" "$(sha256sum <in.mp4)" "the source"
# The result tells the type, the parameters, what came out with its digest, and the figures.
result "$TAG" '.job | .type == "transcode" and .version == 1 and .parameters.height == 90 and .parameters.codec == "h264" and .engine == "ffmpeg"' >/dev/null
result "$TAG" ".job.outputs == [{path: \"$TMP/out.mp4\", bytes: $(stat -c %s out.mp4), sha256: \"$(sha256sum <out.mp4 | cut -d' ' -f1)\", probe: .job.outputs[0].probe}]" >/dev/null
result "$TAG" '.job.outputs[0].probe | .video == "h264" and .height == 90 and .audio == "aac"' >/dev/null
result "$TAG" '.job | .realtime_factor > 0 and .core_seconds > 0 and has("joules") and .verification.passed and .verification.level == "quick"' >/dev/null
result "$TAG" '.media.frames == 100 and .media.finished' >/dev/null
for case in "h265 mkv hevc" "vp9 webm vp9" "av1 mkv av1"; do
    # shellcheck disable=SC2086
    set -- $case
    expect 0 ffrtmp job transcode in.mp4 -o "$1.$2" -p codec="$1" -p preset=ultrafast -p resolution=256x144 -p duration=1s
    assert_eq "$3 256 144" "$(stream "$1.$2" v codec_name) $(stream "$1.$2" v width) $(stream "$1.$2" v height)"
    assert_lasts 1 "$1.$2"
    assert_decodes "$1.$2"
done
assert_eq opus "$(stream vp9.webm a codec_name)" "a webm's sound"
expect 0 ffrtmp job transcode in.mp4 -o rate.mp4 -p fps=30000/1001 -p bitrate=300k -p audio=none -p start=1s -p preset=ultrafast
assert_eq "30000/1001" "$(stream rate.mp4 v r_frame_rate)"
assert_eq "video " "$(streams rate.mp4)"
assert_lasts 3 rate.mp4
# copy: the very same packets in another container.
expect 0 ffrtmp job transcode in.mp4 -o copy.mkv -p codec=copy -p audio=copy
md5() { ffmpeg -v error -i "$1" -map 0:v -c copy -bsf:v h264_mp4toannexb -f md5 -; }
assert_eq "$(md5 in.mp4)" "$(md5 copy.mkv)" "the packets"
# A turned film (as phones make them) is upright afterwards; odd sizes are made even.
ffmpeg -v error -i in.mp4 -c copy -metadata:s:v rotate=90 turned.mp4
expect 0 ffrtmp job transcode turned.mp4 -o upright.mp4 -p preset=ultrafast -p duration=1s
assert_eq "180 320" "$(stream upright.mp4 v width) $(stream upright.mp4 v height)"
ffmpeg -v error -f lavfi -i testsrc2=size=101x77:rate=10:duration=1 -c:v ffv1 odd.mkv
expect 0 ffrtmp job transcode odd.mkv -o odd.mp4 -p preset=ultrafast
assert_decodes odd.mp4
