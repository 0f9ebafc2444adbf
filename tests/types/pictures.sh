# shellcheck shell=bash disable=SC2015,SC2016,SC2154
# thumbnail, sprite, image, waveform, raw-preview: sizes and contents, by decoding what was made.
# timeout: 300
# shellcheck source=tests/types/lib.sh
. "$TESTS/lib.sh"
film in.mp4 10
picture pic.png 640x480
expect 0 ffrtmp job thumbnail in.mp4 pic.png -o thumbs
assert_eq 8 "$(find thumbs -name '*.jpg' | wc -l)" thumbnails
made thumbs/in-150.jpg 150 84
made thumbs/pic-300.jpg 300 225
made thumbs/pic-1200.jpg 640 480   # never enlarged
expect 0 ffrtmp job thumbnail in.mp4 -o one -p sizes=100 -p at=8s -p format=webp
made one/in-100.webp 100 56
# The picture at 8 s is the film's at 8 s: nearer to it than to the one at 1 s.
diff_to() { ffmpeg -v info -ss "$1" -i in.mp4 -i one/in-100.webp -frames:v 1 -filter_complex '[0:v]scale=100:56[a];[1:v]scale=100:56,format=yuv420p[b];[a][b]psnr' -f null - 2>&1 | sed -n 's/.*average:\([0-9.]*\).*/\1/p'; }
awk -v a="$(diff_to 8)" -v b="$(diff_to 1)" 'BEGIN { exit !(a > b) }' || fail "not the picture at 8 s"
expect 125 ffrtmp job thumbnail in.mp4 -o two -p at=99s
assert_contains "$err" "behind the end"
# Sprites: every cue points at a cell of a sheet that is there.
expect 0 ffrtmp job sprite in.mp4 -o sprites -p interval=1s -p columns=4 -p rows=2 -p width=64
assert_eq 2 "$(find sprites -name '*.jpg' | wc -l)" sheets
made sprites/sprite-1.jpg 256 72
assert_eq 10 "$(grep -c -- '-->' sprites/sprites.vtt)" cues
assert_contains "$(cat sprites/sprites.vtt)" "00:00:09.000 --> 00:00:10.000
sprite-2.jpg#xywh=64,0,64,36"
# The last cell has a picture, not the black of an empty one.
mean() { ffmpeg -v error -i "$1" -vf "crop=64:36:$2,scale=1:1,format=gray" -f rawvideo - | od -An -tu1 | tr -d ' '; }
[ "$(mean sprites/sprite-2.jpg 64:0)" -gt 40 ] || fail "the last picture is empty"
[ "$(mean sprites/sprite-2.jpg 192:36)" -lt 30 ] || fail "a cell beyond the end is filled"
# image: each operation by its effect.
for ext in jpg png webp tiff gif; do
    expect 0 ffrtmp job image pic.png -o "out.$ext" -p width=320
    made "out.$ext" 320 240
done
assert_eq "mjpeg png webp tiff gif" "$(for e in jpg png webp tiff gif; do stream out.$e v codec_name; done | tr '\n' ' ' | sed 's/ $//')"
ffmpeg -v error -f lavfi -i color=red:size=20x10,format=rgb24 -f lavfi -i color=blue:size=20x10,format=rgb24 -filter_complex hstack -frames:v 1 flag.png   # left red, right blue
pixel() { ffmpeg -v error -i "$1" -vf "crop=1:1:$2,format=rgb24" -f rawvideo - | od -An -tu1 | tr -s ' '; }
expect 0 ffrtmp job image flag.png -o flipped.png -p flip=horizontal
assert_eq " 0 0 255" "$(pixel flipped.png 2:2 | sed 's/ 25[34]/ 255/;s/ 1\b/ 0/g')" "the left of a flipped flag"
expect 0 ffrtmp job image flag.png -o turned.png -p rotate=90
made turned.png 10 40
expect 0 ffrtmp job image flag.png -o cropped.png -p crop=10x5+25+2
made cropped.png 10 5
expect 0 ffrtmp job image pic.png -o cover.jpg -p width=100 -p height=100 -p fit=cover
made cover.jpg 100 100
expect 125 ffrtmp job image flag.png -o x.png -p crop=30x30+20+0
assert_contains "$err" "not within the picture"
ffmpeg -v error -f lavfi -i color=lime:size=16x16,format=rgba -frames:v 1 mark.png
expect 0 ffrtmp job image pic.png mark.png -o marked.png -p position=top-left
assert_contains "$(pixel marked.png 15:15)" " 255 " "the mark"
[ "$(stat -c %s "$(ffrtmp job image pic.png -o q10.jpg -p quality=10 && echo q10.jpg)")" -lt "$(stat -c %s "$(ffrtmp job image pic.png -o q95.jpg -p quality=95 && echo q95.jpg)")" ] || fail "quality does nothing"
expect 0 ffrtmp job waveform in.mp4 -o wave.png -p width=400 -p height=100
made wave.png 400 100
