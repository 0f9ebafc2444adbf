# shellcheck shell=bash disable=SC2015,SC2016,SC2154
# Encoders are tried for real, remembered, and passed over with a reason when they do not work.
# timeout: 180
# shellcheck source=tests/types/lib.sh
. "$TESTS/lib.sh"
expect 0 ffrtmp capabilities --json
for name in libx264 libx265 libsvtav1 libvpx-vp9 aac libopus; do
    json .out ".encoders | any(.name == \"$name\" and .works)" >/dev/null
done
json .out '.ffmpeg | length > 2' >/dev/null
expect 0 ffrtmp capabilities
assert_contains "$out" libx264
# Remembered: the second look starts no encoder.
cp cache/ffrtmp/encoders.json before
seen() { strace -f -qq -v -s 4000 -e trace=execve -o calls "$@" >/dev/null 2>&1 || fail "strace does not work here"; grep -c 'testsrc2=size=256x256' calls || true; }
[ "$(seen ffrtmp capabilities --fresh)" -ge 4 ] || fail "no encoder is tried with --fresh"
assert_eq 0 "$(seen ffrtmp capabilities)" "encoders tried again"
cp cache/ffrtmp/encoders.json before
assert_eq "$(cat before)" "$(cat cache/ffrtmp/encoders.json)"
# An FFmpeg whose libx264 does not work: another file, so it is tried again, and the reason is told.
mkdir other
cat >other/ffmpeg <<'S'
#!/bin/sh
case " $* " in *libx264*) echo "libx264 is broken here" >&2; exit 1 ;; esac
exec /usr/bin/ffmpeg "$@"
S
chmod +x other/ffmpeg
film in.mp4 1
PATH=$TMP/other:$PATH expect 125 ffrtmp job transcode in.mp4 -o out.mp4
assert_contains "$err" "libx264 is broken here"
[ ! -e out.mp4 ]
# Hardware that is not here: said when asked for by name; auto falls back.
if [ ! -e /dev/nvidia0 ]; then
    expect 125 ffrtmp job transcode in.mp4 -o out.mp4 -p hwaccel=nvenc
    assert_contains "$err" "h264_nvenc (no device for it)"
fi
expect 0 ffrtmp job transcode in.mp4 -o out.mp4 -p hwaccel=auto -p preset=ultrafast --job-id "$TAG"
result "$TAG" '.job.parameters.encoders.h264 | length > 3' >/dev/null
expect 125 ffrtmp job transcode in.mp4 -o out.mp4 -p hwaccel=magic
