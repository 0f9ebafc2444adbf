# shellcheck shell=bash disable=SC2015,SC2016,SC2154
# Relays over the other live protocols, each against a real peer: UDP in, SRT out and in, HLS over HTTP in, RTMPS in and out over real TLS.
# timeout: 240
# shellcheck source=tests/types/lib.sh
. "$TESTS/lib.sh"
others=()
trap 'for pid in "${others[@]}"; do kill "$pid" 2>/dev/null || true; done' EXIT
# good FILE SECONDS: a video and a sound of about that length, without a decoding error.
good() {
    assert_eq "audio video " "$(streams "$1")"
    ffmpeg -nostdin -v error -xerror -i "$1" -f null - || fail "$1 does not decode"
    ffprobe -v error -show_entries format=duration -of csv=p=0 "$1" | awk -v s="$2" '{ exit !($1 >= s) }' || fail "$1 is too short"
}
bytes_of() { [ "$(stat -c %s "$1" 2>/dev/null || echo 0)" -ge "$2" ]; }

# UDP -> SRT -> file: two relays in a chain.
udp=udp://127.0.0.1:$(free_port) srt=$(free_port)
expect 0 ffrtmp job relay "$udp" -o "srt://127.0.0.1:$srt?mode=listener" -d --job-id "$TAG-out"
expect 0 ffrtmp job relay "srt://127.0.0.1:$srt?mode=caller" -o from-srt.mkv -d --job-id "$TAG-in"
expect 0 ffrtmp job test-source -o "$udp?pkt_size=1316" -p size=320x180 -p fps=25 -p bitrate=300k -d --job-id "$TAG-source"
temp_grows() { find . -maxdepth 1 -name "*$TAG-in*" -size +200k | grep -q .; }
wait_for 90 temp_grows
for job in in out source; do expect 0 ffrtmp stop "$TAG-$job"; done
wait_for 30 test -s from-srt.mkv
good from-srt.mkv 3

# HLS over HTTP -> file: a ladder of ours, pulled like somebody else's.
film in.mp4 8
expect 0 ffrtmp job hls in.mp4 -o ladder -p segment=2s
web=$(free_port)
python3 -m http.server --bind 127.0.0.1 --directory ladder "$web" >web.log 2>&1 &
others+=($!)
wait_for 20 python3 -c "import socket; socket.create_connection(('127.0.0.1', $web), 1)"
expect 0 ffrtmp job relay "http://127.0.0.1:$web/master.m3u8" -o from-hls.mkv --restart no
good from-hls.mkv 7

# RTMPS: TLS in front of a real RTMP server, out and in again.
openssl req -x509 -newkey rsa:2048 -nodes -keyout key.pem -out cert.pem -days 2 -subj /CN=127.0.0.1 -addext subjectAltName=IP:127.0.0.1 2>/dev/null
rtmp=$(free_port) tls=$(free_port)
nginx_rtmp "$rtmp"
trap 'nginx_stop; for pid in "${others[@]}"; do kill "$pid" 2>/dev/null || true; done' EXIT
printf 'foreground = yes\npid =\n[rtmps]\naccept = 127.0.0.1:%s\nconnect = 127.0.0.1:%s\ncert = %s\nkey = %s\n' "$tls" "$rtmp" "$PWD/cert.pem" "$PWD/key.pem" >stunnel.conf
stunnel stunnel.conf >stunnel.log 2>&1 &
others+=($!)
wait_for 20 python3 -c "import socket; socket.create_connection(('127.0.0.1', $tls), 1)"
expect 0 ffrtmp job test-source -o "rtmps://127.0.0.1:$tls/live/x" -p size=320x180 -p fps=25 -p bitrate=300k -d --job-id "$TAG-push"
sleep 3
expect 0 ffrtmp job relay "rtmps://127.0.0.1:$tls/live/x" -o from-rtmps.mkv -d --job-id "$TAG-pull"
temp_grows() { find . -maxdepth 1 -name "*$TAG-pull*" -size +200k | grep -q .; }
wait_for 90 temp_grows
for job in pull push; do expect 0 ffrtmp stop "$TAG-$job"; done
wait_for 30 test -s from-rtmps.mkv
good from-rtmps.mkv 3
nothing_left
