# shellcheck shell=bash disable=SC2015,SC2016,SC2154
# timeout: 240
# alone
# An RTMP stream to nginx-rtmp is attached, limited, changed and detached over and over: the recording there has every frame,
# and the stream's own clock no tick that it would not have lost by itself.
# shellcheck source=tests/integration/lib.sh
. "$TESTS/lib.sh"
# shellcheck source=tests/stream_clock.bash
. "$REPO/tests/stream_clock.bash"
need_v1 cpu memory cpuset
need ffmpeg
trap nginx_stop EXIT
rounds=${ROUNDS:-50}
port=$(free_port) seconds=70 rate=50
mkdir recorded
nginx_rtmp "$port" "record all; record_path $TMP/recorded;"
ffmpeg -nostdin -v error -y -re -f lavfi -i "testsrc=size=320x240:rate=$rate:duration=$seconds" \
    -filter_complex "split[picture][rest];[rest]$CLOCK[clock]" -progress sent.progress -stats_period 0.1 \
    -map '[picture]' -c:v libx264 -preset ultrafast -g 25 -f flv "rtmp://127.0.0.1:$port/live/x" \
    -map '[clock]' "${CLOCK_OUT[@]}" clock.mkv 2>stream.err &
stream=$!
sent() { sed -n 's/^frame=//p' sent.progress 2>/dev/null | tail -n 1; }
has_sent() { [ "$(sent)" -ge "$1" ] 2>/dev/null; }
wait_for 60 has_sent $((20 * rate))
before=$(settings_of $stream) from=$(sent)
for ((i = 1; i <= rounds; i++)); do
    runs $stream || fail "the stream ended in round $i: $(cat stream.err)"
    expect 0 ffrtmp attach --pid $stream --job-id "$TAG" --once -q --cpu-max 150% --memory-max 1G --cpuset 0-1 --nice -3 --ionice best-effort:2
    expect 0 ffrtmp set "$TAG" -q --cpu-max 120% --memory-max 800M --nice 1
    expect 0 ffrtmp detach -q "$TAG"
    assert_eq "$before" "$(settings_of $stream)" "round $i"
done
to=$(sent)
wait $stream || fail "the stream failed: $(cat stream.err)"
nginx_stop
recording=$(find recorded -name '*.flv')
assert_eq $((seconds * rate)) "$(ffprobe -v error -count_frames -select_streams v -show_entries stream=nb_read_frames -of csv=p=0 "$recording" | xargs)" "frames at the peer"
# No gap in the timestamps: 20 ms from one frame to the next, in milliseconds of FLV.
ffprobe -v error -select_streams v -show_entries packet=pts_time -of csv=p=0 "$recording" | tr -d , | sort -n |
    awk 'NR > 1 && ($1 - last > 0.0215 || $1 - last < 0.0185) { print "gap at " $1; bad = 1 } { last = $1 } END { exit bad }' || fail "gaps in the recording"
assert_eq 0 "$(sed -n 's/^drop_frames=//p' sent.progress | tail -n 1)" "frames dropped by the sender"
keeps_time clock.mkv $((1000 / rate)) "$from" "$to" || fail "ticks were lost"
no_leaves || fail "left $(leaves)"
