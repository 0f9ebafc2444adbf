# shellcheck shell=bash disable=SC2154
# variants: root user hybrid
# timeout: 400
#
# An RTMP stream to a real peer is attached, limited, changed and detached over and over: the peer has every frame, and the
# stream's own clock no tick that it would not have lost by itself.

# shellcheck source=tests/lab/lib.sh
. "$LAB_TESTS/lib.sh"
# shellcheck source=tests/stream_clock.bash
. "$LAB_ROOT/tests/stream_clock.bash"
trap kill_jobs EXIT
seconds=75 rate=5
ffmpeg -nostdin -v error -y -listen 1 -timeout 60 -i rtmp://127.0.0.1:19350/live/x -c copy -copyts -flush_packets 1 received.flv 2>peer.err &
peer=$!
wait_for 60 sh -c "ss -ltn | grep -q 19350"
ffmpeg -nostdin -v error -y -re -f lavfi -i "testsrc=size=64x48:rate=$rate:duration=$seconds" \
    -filter_complex "split[picture][rest];[rest]$CLOCK[clock]" -progress sent.progress -stats_period 0.2 \
    -map '[picture]' -c:v flv1 -g 5 -f flv rtmp://127.0.0.1:19350/live/x -map '[clock]' "${CLOCK_OUT[@]}" clock.mkv 2>stream.err &
stream=$!
sent() { sed -n 's/^frame=//p' sent.progress 2>/dev/null | tail -n 1; }
has_sent() { [ "$(sent)" -ge "$1" ] 2>/dev/null; }
wait_for 120 has_sent $((20 * rate))
before=$(places_of $stream) from=$(sent)
rounds=0 to=$from
while [ $rounds -lt 50 ] && [ "$SECONDS" -lt 300 ] && ! gone $stream; do
    ffrtmp attach --pid $stream --job-id l --once -q --cpu-max 90% --memory-max 400M 2>err >/dev/null || { gone $stream && break; fail "$(cat err)"; }
    ffrtmp set l -q --cpu-max 80% --memory-max 300M 2>err || { gone $stream && break; fail "$(cat err)"; }
    ffrtmp detach -q l 2>err || { gone $stream && break; fail "$(cat err)"; }
    now=$(places_of $stream || true)
    # (What is on its way out shows at the top of v1 hierarchies.)
    [ "$before" = "$now" ] || { sleep 2; gone $stream; } || fail "round $rounds: not where it was: $(diff <(echo "$before") <(echo "$now"))"
    rounds=$((rounds + 1))
    to=$(sent)
done
echo "$rounds rounds"
[ $rounds -ge 5 ] || fail "only $rounds rounds in the time of the stream"
wait $stream || fail "the stream failed: $(cat stream.err)"
wait $peer || fail "the peer failed: $(cat peer.err)"
assert_eq $((seconds * rate)) "$(ffprobe -v error -count_frames -select_streams v -show_entries stream=nb_read_frames -of csv=p=0 received.flv | xargs)" "frames at the peer"
ffprobe -v error -select_streams v -show_entries packet=pts_time -of csv=p=0 received.flv | tr -d , | sort -n |
    awk 'NR > 1 && ($1 - last > 0.2015 || $1 - last < 0.1985) { print "gap at " $1; bad = 1 } { last = $1 } END { exit bad }' || fail "gaps in the recording"
keeps_time clock.mkv $((1000 / rate)) "$from" "$to" || fail "ticks were lost"
