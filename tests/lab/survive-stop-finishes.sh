# shellcheck shell=bash
# variants: bare hybrid
#
# A job whose wrapper has let go is known as unobserved, and `ffrtmp stop` still finishes its file.

# shellcheck source=tests/lab/lib.sh
. "$LAB_TESTS/lib.sh"
trap kill_jobs EXIT

ffrtmp run --job-id long --memory-max 300M -- \
    ffmpeg -v error -re -f lavfi -i testsrc2=size=160x120:rate=10:duration=300 -c:v mpeg4 -y "$PWD/long.mp4" 2>err </dev/null &
wait_for 60 test -e long.mp4
kill -KILL $!
wait $! 2>/dev/null || true
sleep 2
assert_eq unobserved "$(state_of long)"
ffrtmp ps >ps.txt
grep -q '^long  *unobserved' ps.txt || fail "$(cat ps.txt)"
pid=$(job_pid long)
ffrtmp stop long 2>stop.err || fail "stop: $? $(cat stop.err)"
gone "$pid" || fail "stop has returned, the job runs"
grep -q 'job long ended on SIGINT' stop.err || fail "stop said: $(cat stop.err)"
ffmpeg -v error -i long.mp4 -f null - 2>decode.err
assert_eq '' "$(cat decode.err)" "decoding"
ffprobe -v error -show_entries format=duration -of csv=p=0 long.mp4
assert_eq lost "$(ffrtmp status --json long | jq -r .result.outcome)" "outcome that nobody saw"
# Its leaf has gone with it.
! find /sys/fs/cgroup -type d -path '*/ffrtmp-jobs.scope/long' | grep . || fail "a cgroup is left"
