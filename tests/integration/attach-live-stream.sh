# shellcheck shell=bash disable=SC2015,SC2016,SC2154
# timeout: 240
# alone
# An RTMP stream to a real peer is attached, limited, changed and detached over and over: the peer has every frame.
# shellcheck source=tests/integration/lib.sh
. "$TESTS/lib.sh"
need_v1 cpu memory cpuset
need ffmpeg
rounds=${ROUNDS:-50}
port=$((20000 + $$ % 20000)) seconds=50
ffmpeg -nostdin -v error -y -listen 1 -timeout 30 -i "rtmp://127.0.0.1:$port/live/x" -c copy -copyts -flush_packets 1 received.flv 2>peer.err &
peer=$!
sleep 1
ffmpeg -nostdin -v error -re -f lavfi -i "testsrc=size=320x240:rate=25:duration=$seconds" -c:v libx264 -preset ultrafast -g 25 \
    -progress sent.progress -f flv "rtmp://127.0.0.1:$port/live/x" 2>stream.err &
stream=$!
wait_for 20 test -s received.flv
before=$(settings_of $stream)
for ((i = 1; i <= rounds; i++)); do
    runs $stream || fail "the stream ended in round $i: $(cat stream.err)"
    expect 0 ffrtmp attach --pid $stream --job-id "$TAG" --once -q --cpu-max 150% --memory-max 1G --cpuset 0-1 --nice -3 --ionice best-effort:2
    expect 0 ffrtmp set "$TAG" -q --cpu-max 120% --memory-max 800M --nice 1
    expect 0 ffrtmp detach -q "$TAG"
    assert_eq "$before" "$(settings_of $stream)" "round $i"
done
wait $stream || fail "the stream failed: $(cat stream.err)"
wait $peer || fail "the peer failed: $(cat peer.err)"
assert_eq $((seconds * 25)) "$(ffprobe -v error -count_frames -select_streams v -show_entries stream=nb_read_frames -of csv=p=0 received.flv | xargs)" "frames at the peer"
# No gap in the timestamps: 40 ms from one frame to the next, in milliseconds of FLV.
ffprobe -v error -select_streams v -show_entries packet=pts_time -of csv=p=0 received.flv | tr -d , | sort -n |
    awk 'NR > 1 && ($1 - last > 0.0415 || $1 - last < 0.0385) { print "gap at " $1; bad = 1 } { last = $1 } END { exit bad }' || fail "gaps in the recording"
assert_eq 0 "$(sed -n 's/^drop_frames=//p' sent.progress | tail -n 1)" "frames dropped by the sender"
no_leaves || fail "left $(leaves)"
