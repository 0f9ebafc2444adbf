# shellcheck shell=bash
# variants: hybrid
#
# --forward-signals, for containers: what is sent to ffrtmp reaches the workload, whose end it waits for.

# shellcheck source=tests/lab/lib.sh
. "$LAB_TESTS/lib.sh"
trap kill_jobs EXIT

for signal in TERM INT HUP USR1; do
    ffrtmp run -q --forward-signals -- bash -c "trap 'echo got $signal; exit 42' $signal; echo ready; while :; do sleep 0.1; done" >out &
    wait_for 20 grep -q ready out
    kill -$signal $!
    code=0
    wait $! || code=$?
    assert_eq "42 got $signal" "$code $(tail -n 1 out)" "SIG$signal"
done
ffrtmp run -q --forward-signals -- ffmpeg -v error -re -f lavfi -i testsrc2=size=160x120:rate=10:duration=300 -c:v mpeg4 -y "$PWD/f.mp4" </dev/null &
wait_for 60 test -e f.mp4
sleep 2
kill -TERM $!
code=0
wait $! || code=$?
assert_eq 255 $code "ffmpeg after SIGTERM"
ffmpeg -v error -i f.mp4 -f null - 2>decode.err
assert_eq '' "$(cat decode.err)" decoding
