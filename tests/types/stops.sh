# shellcheck shell=bash disable=SC2015,SC2016,SC2154
# A stop, a time limit or a kill in the middle: no half-made output under the final name, and law 1 holds.
# timeout: 120
# shellcheck source=tests/types/lib.sh
. "$TESTS/lib.sh"
film in.mp4 20 640x360
slow=(-p preset=veryslow -p height=2160)
expect 0 ffrtmp job transcode in.mp4 -o a.mp4 "${slow[@]}" -d --job-id "$TAG-a"
sleep 1
expect 0 ffrtmp stop "$TAG-a"
[ ! -e a.mp4 ]
nothing_left
result "$TAG-a" '.killer == "operator" and .exit_code != 0' >/dev/null
expect 124 ffrtmp job transcode in.mp4 -o b.mp4 "${slow[@]}" --timeout 1s
[ ! -e b.mp4 ]
nothing_left
# The wrapper is killed: the job goes on and its output appears.
ffrtmp job transcode in.mp4 -o c.mp4 -p preset=medium --job-id "$TAG-c" -q &
wrapper=$!
started() { ffrtmp status "$TAG-c" --json 2>/dev/null | jq -e .identity.pid >/dev/null; }
wait_for 10 started
kill -9 $wrapper
wait $wrapper 2>/dev/null || true
wait_for 60 test -e c.mp4
assert_lasts 20 c.mp4
