# shellcheck shell=bash
# variants: hybrid
#
# --timeout: exit code 124, and the encode's file is finished.

# shellcheck source=tests/lab/lib.sh
. "$LAB_TESTS/lib.sh"
trap kill_jobs EXIT

# Counted from the launch: leave FFmpeg time to begin under emulation.
code=0
ffrtmp run -q --timeout 12s --memory-max 300M --result-file "$PWD/result.json" -- \
    ffmpeg -v error -re -f lavfi -i testsrc2=size=160x120:rate=10:duration=300 -c:v mpeg4 -y "$PWD/cut.mp4" </dev/null || code=$?
assert_eq 124 $code
assert_eq timed_out "$(json result.json .outcome)"
ffmpeg -v error -i cut.mp4 -f null - 2>decode.err
assert_eq '' "$(cat decode.err)" decoding
[ "$(ffprobe -v error -count_frames -show_entries stream=nb_read_frames -of csv=p=0 cut.mp4)" -ge 5 ] || fail "hardly a frame"
# Nothing of it is left, children included.
ffrtmp run -q --timeout 1s -- sh -c 'sleep 1000 & sleep 1000' || code=$?
assert_eq 124 $code
! pgrep -x sleep || fail "a child has outlived the time limit"
