# shellcheck shell=bash disable=SC2015,SC2016,SC2154
# kill -9, SIGTERM and SIGHUP of the wrapper, and of a recorder: a real ffmpeg goes on and finishes its file.
# shellcheck source=tests/integration/lib.sh
. "$TESTS/lib.sh"
need ffmpeg
for signal in KILL TERM HUP INT QUIT; do
    live_encode 3 $signal.mp4
    ffrtmp run --memory-max 512M --job-id "$TAG-$signal" -- "${encode[@]}" 2>$signal.err &
    wrapper=$!
    wait_for 10 test -s "state/jobs/$TAG-$signal/record.json"
    wait_for 10 pid_of "$TAG-$signal" >$signal.pid 2>/dev/null
    sleep 0.5
    kill -$signal $wrapper
    code=0
    wait $wrapper 2>/dev/null || code=$?
    assert_eq $((128 + $(kill -l $signal))) $code "exit code of the wrapper after $signal"
    [ $signal = KILL ] || assert_contains "$(cat $signal.err)" "let go"
    workload=$(tail -n 1 $signal.pid)
    runs "$workload" || fail "the workload died with the wrapper ($signal)"
    assert_eq unobserved "$(ffrtmp status --json "$TAG-$signal" | jq -r .state)" "state after $signal"
done
live_encode 3 recorder.mp4
ffrtmp run -q -d --job-id "$TAG-r" -- "${encode[@]}"
workload=$(pid_of "$TAG-r")
kill -KILL "$(ffrtmp status --json "$TAG-r" | jq -e .observer.pid)"
sleep 0.3
runs "$workload" || fail "the workload died with the recorder"
assert_eq unobserved "$(ffrtmp ps --json | jq -r ".[] | select(.job_id == \"$TAG-r\").state")"
for signal in KILL TERM HUP INT QUIT; do
    wait_for 20 gone "$(tail -n 1 $signal.pid)"
    assert_playable $signal.mp4 3
done
wait_for 20 gone "$workload"
assert_playable recorder.mp4 3
