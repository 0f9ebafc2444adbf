# shellcheck shell=bash disable=SC2015,SC2034,SC2154
# Helpers for the tests of job types, beside those of the integration tests.
# shellcheck source=tests/integration/lib.sh
. "$REPO/tests/integration/lib.sh"

# What is found out about encoders is kept here, not in the home of whoever runs the tests.
export XDG_CACHE_HOME=$TMP/cache
# GStreamer looks through all of its plugins when it has no list of them, which takes most of a minute.
export GST_REGISTRY=${GST_REGISTRY:-$REPO/build/gst-registry.bin}

# film PATH SECONDS [SIZE [RATE]]: moving pictures and a tone.
film() {
    ffmpeg -nostdin -v error -y -f lavfi -i "testsrc2=size=${3:-320x180}:rate=${4:-25}:duration=$2" \
        -f lavfi -i "sine=frequency=440:sample_rate=48000:duration=$2" -c:v libx264 -preset ultrafast -g 50 -c:a aac -movflags +faststart "$1"
}
# silent_film PATH SECONDS [SIZE]: no sound.
silent_film() {
    ffmpeg -nostdin -v error -y -f lavfi -i "testsrc2=size=${3:-320x180}:rate=25:duration=$2" -c:v libx264 -preset ultrafast "$1"
}
picture() { ffmpeg -nostdin -v error -y -f lavfi -i "testsrc2=size=${2:-640x480}" -frames:v 1 "$1"; }

# stream FILE KIND FIELD: what ffprobe says of the first stream of a kind (v, a).
stream() { ffprobe -v error -select_streams "$2:0" -show_entries "stream=$3" -of csv=p=0 "$1" | head -n 1 | tr -d ','; }
streams() { ffprobe -v error -show_entries stream=codec_type -of csv=p=0 "$1" | sort | tr '\n' ' '; }
seconds() { ffprobe -v error -show_entries format=duration -of csv=p=0 "$1"; }
# assert_lasts SECONDS FILE [TOLERANCE]
assert_lasts() {
    local have
    have=$(seconds "$2") || fail "$2 cannot be read"
    awk -v a="$1" -v b="$have" -v t="${3:-0.15}" 'BEGIN { d = a - b; if (d < 0) d = -d; exit !(d <= t) }' || fail "$2 lasts $have s, not $1"
}
# assert_decodes FILE: every frame, without a word.
assert_decodes() {
    local said
    said=$(ffmpeg -nostdin -v error -xerror -i "$1" -f null - 2>&1) || fail "$1 does not decode: $said"
    assert_eq "" "$said" "decoding $1"
}
# nothing_left: no temporary name of ours in the present folder.
nothing_left() { assert_eq "" "$(find . -name '.ffrtmp-*' -o -name 'ffrtmp-*.work')" "left behind"; }
# made FILE WIDTH HEIGHT: a picture of that size.
made() { assert_eq "$2x$3" "$(ffprobe -v error -show_entries stream=width,height -of csv=p=0:s=x "$1")" "size of $1"; }
