# shellcheck shell=bash disable=SC2015,SC2016,SC2154
# Bad input gets one line, a documented code, and nothing half done.
# timeout: 240
# shellcheck source=tests/types/lib.sh
. "$TESTS/lib.sh"
film in.mp4 3
# refused CODE TEXT COMMAND...: the code, one line with the text, and nothing left.
refused() {
    local want=$1 text=$2
    shift 2
    expect "$want" ffrtmp job "$@"
    assert_contains "$err" "$text" "$*"
    [ "$(wc -l <"$TMP/.err")" -le 2 ] || fail "more than a line from $*: $err"
    [ ! -e bad.mp4 ] || fail "bad.mp4 was made by $*"
    nothing_left
}
refused 125 "did you mean transcode?" transcod in.mp4 -o bad.mp4
refused 125 "did you mean height?" transcode in.mp4 -o bad.mp4 -p hieght=90
refused 125 "it takes a whole number from 16 to 8640" transcode in.mp4 -o bad.mp4 -p height=9
refused 125 '"-y"' transcode in.mp4 -o bad.mp4 -p bitrate=-y
refused 125 '";rm -rf x"' transcode in.mp4 -o bad.mp4 -p "bitrate=;rm -rf x"
refused 125 "one of h264, h265, av1, vp9, copy" transcode in.mp4 -o bad.mp4 -p codec=theora
refused 125 "NAME=VALUE" transcode in.mp4 -o bad.mp4 -p height
refused 125 "input input is missing" transcode -o bad.mp4
refused 125 "-o is missing" transcode in.mp4
refused 125 "one input too many" transcode in.mp4 in.mp4 -o bad.mp4
refused 125 "No such file" transcode nothing.mp4 -o bad.mp4
refused 125 "it is a folder" transcode . -o bad.mp4
refused 125 ".xyz is not made here" transcode in.mp4 -o bad.xyz
refused 125 "the folder is missing" transcode in.mp4 -o no/such/bad.mp4
refused 125 "it is the input itself" transcode in.mp4 -o in.mp4
ln -s in.mp4 alias.mp4
refused 125 "it is the input itself" transcode in.mp4 -o alias.mp4
ln in.mp4 hard.mp4
refused 125 "it is the input itself" transcode in.mp4 -o ./hard.mp4
if [ "$(id -u)" != 0 ]; then
    mkdir locked; chmod 555 locked
    refused 125 "Permission denied" transcode in.mp4 -o locked/bad.mp4
fi
# Inputs that are not what their names say.
echo "just words" >text.mp4
refused 125 "not media" transcode text.mp4 -o bad.mp4
: >empty.mp4
refused 125 "the file is empty" transcode empty.mp4 -o bad.mp4
head -c 100000 /dev/urandom >noise.mp4
refused 125 "not media" transcode noise.mp4 -o bad.mp4
head -c 2000 in.mp4 >cut.mp4   # the index at its start is cut
refused 125 "not media" transcode cut.mp4 -o bad.mp4
ffmpeg -v error -i in.mp4 -vn -c copy sound.mp4
refused 125 "there is no video in" transcode sound.mp4 -o bad.mp4
silent_film silent.mp4 1
refused 125 "there is no audio in" audio silent.mp4 -o bad.m4a
# A film that ends early: the output is looked at and refused, unless a part is what is wanted.
head -c $(($(stat -c %s in.mp4) * 6 / 10)) in.mp4 >short.mp4
expect 65 ffrtmp job transcode short.mp4 -o bad.mp4 -p preset=ultrafast --job-id "$TAG-short"
[ ! -e bad.mp4 ] || fail "a film that failed has its final name"
result "$TAG-short" '.exit_code == 65 and .job.verification.passed == false and (.reason | contains("instead of 3 s")) and .job.outputs == []' >/dev/null
nothing_left
expect 0 ffrtmp job transcode short.mp4 -o part.mp4 -p preset=ultrafast -p partial=true
assert_decodes part.mp4
# Addresses and playlists that lead elsewhere.
for url in file:in.mp4 file:///etc/passwd concat:in.mp4 "concat:in.mp4|in.mp4" "subfile,,start,0,end,99,,:in.mp4" "data:text/plain,x" pipe:0 crypto:in.mp4 http://127.0.0.1:1/x.mp4; do
    refused 125 "is not allowed here" transcode "$url" -o bad.mp4
done
printf '#EXTM3U\n#EXT-X-TARGETDURATION:9\n#EXTINF:9,\nfile://%s/in.mp4\n#EXT-X-ENDLIST\n' "$TMP" >list.mp4
refused 125 "a playlist" transcode list.mp4 -o bad.mp4
printf 'ffconcat version 1.0\nfile in.mp4\n' >concat.mkv
refused 125 "a playlist" transcode concat.mkv -o bad.mp4
# Over HTTP, where an address is allowed: FFmpeg itself refuses what the playlist names.
port=$(free_port)
cp list.mp4 remote.m3u8
python3 -m http.server "$port" --bind 127.0.0.1 >/dev/null 2>&1 &
server=$!
trap 'kill $server; umount small 2>/dev/null || true' EXIT
wait_for 10 python3 -c "import socket; socket.create_connection(('127.0.0.1', $port), 1)"
expect 125 ffrtmp job probe "http://127.0.0.1:$port/remote.m3u8"
expect 0 ffrtmp job probe "http://127.0.0.1:$port/in.mp4"
# No space: the reason is said, nothing is left.
if [ "$(id -u)" = 0 ] && mkdir small && mount -t tmpfs -o size=64k none small 2>/dev/null; then
    expect 1 ffrtmp job transcode in.mp4 -o small/bad.mp4 -p crf=0 -p preset=ultrafast
    [ ! -e small/bad.mp4 ] || fail "a film without space"
    assert_eq "" "$(find small -mindepth 1)" "left on the full disk"
    assert_contains "$err" "No space left"
    umount small
fi
# Names of every kind.
for name in "-y.mp4" "a b.mp4" "ü€.mp4" "x:y.mp4" "'q' \"r\".mp4" 'per%d.mp4' 'back\slash.mp4' '$(id).mp4' ';rm.mp4'; do
    cp in.mp4 "./$name"
    expect 0 ffrtmp job transcode -p codec=copy -o "out $name" -- "$name"
    assert_lasts 3 "file:out $name"
    expect 0 ffrtmp job hash -- "$name"
    assert_eq "$(sha256sum <in.mp4 | cut -d' ' -f1)" "$(jq -r .digest .out)" "$name"
done
# An address's secrets are shown nowhere.
expect 0 ffrtmp job relay rtmp://u:pass1@h/live/KEY1 -o rtmp://h/live/KEY2 --dry-run
assert_lacks "$out$err" KEY1
assert_lacks "$out$err" KEY2
assert_lacks "$out$err" pass1
