# shellcheck shell=bash disable=SC2015,SC2016,SC2154
# The same with a real gst-launch pipeline; it ends on SIGPIPE, so its output must never depend on the wrapper.
# shellcheck source=tests/integration/lib.sh
. "$TESTS/lib.sh"
need gst-launch-1.0
need ffprobe
gst-inspect-1.0 vp8enc >/dev/null 2>&1 && gst-inspect-1.0 matroskamux >/dev/null 2>&1 || skip "no vp8enc or matroskamux"
pipeline=(gst-launch-1.0 videotestsrc is-live=true num-buffers=175 ! "video/x-raw,width=64,height=48,framerate=25/1" !
    vp8enc deadline=1 ! matroskamux ! filesink)
ffrtmp run --cpu-max 100% --job-id "$TAG-f" -- "${pipeline[@]}" location="$TMP/foreground.mkv" >out 2>err &
wrapper=$!
wait_for 10 pid_of "$TAG-f" >pid 2>/dev/null
sleep 0.7
kill -KILL $wrapper
ffrtmp run -q -d --cpu-max 100% --job-id "$TAG-d" -- "${pipeline[@]}" location="$TMP/detached.mkv"
second=$(pid_of "$TAG-d")
kill -KILL "$(ffrtmp status --json "$TAG-d" | jq -e .observer.pid)"
sleep 0.3
runs "$(tail -n 1 pid)" || fail "died with the wrapper"
runs "$second" || fail "died with the recorder"
wait_for 20 gone "$(tail -n 1 pid)"
wait_for 20 gone "$second"
for name in foreground detached; do assert_playable $name.mkv 7; done
