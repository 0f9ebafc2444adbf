# shellcheck shell=bash disable=SC2015,SC2016,SC2154
# hls and dash: the ladder fits the input, playlists parse, segments are aligned, FFmpeg plays it over real HTTP.
# timeout: 300
# shellcheck source=tests/types/lib.sh
. "$TESTS/lib.sh"
film in.mp4 9 854x480
port=$(free_port)
python3 -m http.server "$port" --bind 127.0.0.1 >http.log 2>&1 &
server=$!
trap 'kill $server' EXIT
wait_for 10 python3 -c "import socket; socket.create_connection(('127.0.0.1', $port), 1)"
for format in fmp4 ts; do
    expect 0 ffrtmp job hls in.mp4 -o "out $format" -p format=$format -p segment=2s -p preset=ultrafast --job-id "$TAG-$format"
    assert_eq "480p.m3u8 360p.m3u8 240p.m3u8" "$(grep -v '^#' "out $format/master.m3u8" | grep . | tr '\n' ' ' | sed 's/ $//')" ladder
    # Aligned: every rendition has the same durations, in the same order.
    for name in 360p 240p; do
        assert_eq "$(grep EXTINF "out $format/480p.m3u8")" "$(grep EXTINF "out $format/$name.m3u8")" "durations of $name"
    done
    # Every segment begins with a keyframe, at the same time in each.
    starts() { ffprobe -v error -select_streams v:0 -skip_frame nokey -show_entries frame=pts_time -of csv=p=0 "out $format/$1.m3u8" | tr -d ,; }
    assert_eq "$(starts 480p)" "$(starts 240p)" keyframes
    assert_lasts 9 "http://127.0.0.1:$port/out%20$format/master.m3u8" 0.3
    assert_decodes "http://127.0.0.1:$port/out%20$format/master.m3u8"
    result "$TAG-$format" '.job.outputs | length > 12 and all(.sha256 | length == 64)' >/dev/null
done
expect 0 ffrtmp job hls in.mp4 -o secret -p encrypt=true -p segment=3s -p max_height=240 -p preset=ultrafast
assert_contains "$(cat secret/240p.m3u8)" 'METHOD=AES-128,URI="enc.key"'
assert_eq 16 "$(stat -c %s secret/enc.key)" "the key"
assert_decodes "http://127.0.0.1:$port/secret/master.m3u8"
! ffprobe -v error secret/240p_00000.ts 2>/dev/null | grep -q . || fail "a segment can be read without the key"
expect 0 ffrtmp job dash in.mp4 -o dash -p segment=3s -p preset=ultrafast
assert_lasts 9 "http://127.0.0.1:$port/dash/manifest.mpd" 0.3
assert_eq 3 "$(ffprobe -v error -select_streams v -show_entries stream=height -of csv=p=0 "http://127.0.0.1:$port/dash/manifest.mpd" | sort -u | grep -c .)" renditions
assert_decodes "http://127.0.0.1:$port/dash/manifest.mpd"
# A small picture has one rendition of its own; nothing is enlarged.
film small.mp4 2 160x90
expect 0 ffrtmp job hls small.mp4 -o small -p preset=ultrafast
assert_contains "$(cat small/master.m3u8)" "RESOLUTION=160x90"
assert_eq 1 "$(grep -c STREAM-INF small/master.m3u8)"
# Again into the same folder: the new one is whole, what else stood there stays.
echo mine >small/notes.txt
expect 0 ffrtmp job hls small.mp4 -o small -p preset=ultrafast
assert_eq mine "$(cat small/notes.txt)"
nothing_left
