# shellcheck shell=bash disable=SC2015,SC2016,SC2154
# --timeout is SIGINT first: ffmpeg closes its file, the code is 124; a deaf workload is ended after the grace.
# shellcheck source=tests/integration/lib.sh
. "$TESTS/lib.sh"
need ffmpeg
expect 124 ffrtmp run --timeout 2s --result-file r.json -- ffmpeg -nostdin -v error -y -re -f lavfi -i testsrc=size=64x48:rate=25 -c:v mpeg4 out.mp4
assert_contains "$err" "time limit"
ffprobe -v error out.mp4 || fail "out.mp4 is not playable"
awk -v d="$(ffprobe -v error -show_entries format=duration -of csv=p=0 out.mp4)" 'BEGIN { exit !(d > 1 && d < 3) }' || fail "its duration"
json r.json '.outcome == "timed_out" and .killer == "own limit" and .duration_s > 1.9 and .duration_s < 8' >/dev/null
expect 0 ffrtmp run --timeout 20s -- true
no_leaves || fail "left $(leaves)"
