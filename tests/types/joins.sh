# shellcheck shell=bash disable=SC2015,SC2016,SC2154
# concat, clip, watermark.
# timeout: 240
# shellcheck source=tests/types/lib.sh
. "$TESTS/lib.sh"
film a.mp4 3
film b.mp4 2 640x480 30
film "c d.mp4" 2
expect 0 ffrtmp job concat a.mp4 b.mp4 "c d.mp4" -o all.mp4 -p preset=ultrafast
assert_lasts 7 all.mp4 0.3
assert_eq "320 180 audio video " "$(stream all.mp4 v width) $(stream all.mp4 v height) $(streams all.mp4)"
assert_decodes all.mp4
silent_film s.mp4 1
expect 125 ffrtmp job concat a.mp4 s.mp4 -o no.mp4
assert_contains "$err" "audio=false"
expect 0 ffrtmp job concat a.mp4 s.mp4 -o mute.mp4 -p audio=false -p preset=ultrafast
assert_eq "video " "$(streams mute.mp4)"
film long.mp4 8
expect 0 ffrtmp job clip long.mp4 -o clip.mp4 -p start=2.5s -p end=5s -p preset=ultrafast
assert_lasts 2.5 clip.mp4
assert_decodes clip.mp4
# Exact: its first frame is the film's at 2.5 s.
close_to() {
    ffmpeg -v info -ss "$1" -i long.mp4 -i clip.mp4 -frames:v 1 -filter_complex '[0:v][1:v]psnr' -f null - 2>&1 | sed -n 's/.*average:\([0-9.inf]*\).*/\1/p'
}
awk -v a="$(close_to 2.5)" -v b="$(close_to 2.42)" -v c="$(close_to 2.58)" 'BEGIN { exit !(a > b + 3 && a > c + 3) }' || fail "the first frame is not that at 2.5 s"
expect 0 ffrtmp job clip long.mp4 -o copy.mkv -p start=2s -p duration=4s -p copy=true
assert_eq h264 "$(stream copy.mkv v codec_name)"
assert_decodes copy.mkv
expect 125 ffrtmp job clip long.mp4 -o no.mp4 -p start=9s
expect 125 ffrtmp job clip long.mp4 -o no.mp4 -p start=3s -p end=2s
ffmpeg -v error -f lavfi -i color=white:size=64x64,format=rgba -frames:v 1 mark.png
ffmpeg -v error -f lavfi -i color=black:size=320x180:rate=25:duration=2 -c:v libx264 -preset ultrafast black.mp4
expect 0 ffrtmp job watermark black.mp4 mark.png -o marked.mp4 -p position=top-left -p margin=0 -p width=20 -p opacity=1 -p preset=ultrafast
assert_lasts 2 marked.mp4
gray() { ffmpeg -v error -ss 1 -i marked.mp4 -frames:v 1 -vf "crop=4:4:$1,scale=1:1,format=gray" -f rawvideo - | od -An -tu1 | tr -d ' '; }
[ "$(gray 30:30)" -gt 200 ] || fail "there is no mark at the top left"
[ "$(gray 200:120)" -lt 40 ] || fail "the mark covers all"
