# shellcheck shell=bash disable=SC2015,SC2016,SC2154
# On a terminal a line tells how far a job is; elsewhere nothing is printed.
# shellcheck source=tests/types/lib.sh
. "$TESTS/lib.sh"
need script
film in.mp4 20 640x360
script -qec "ffrtmp job transcode in.mp4 -o out.mp4 -p preset=medium -p height=540" /dev/null </dev/null >screen 2>&1
tr '\r' '\n' <screen >lines
grep -Eq 'transcode +[0-9.]+ %.*x +ETA [0-9]+:[0-9]{2}' lines || fail "no progress on a terminal: $(cat -v lines)"
# The percentage only grows.
grep -o '[0-9.]* %' lines | awk '{ if ($1 + 0 < last) exit 1; last = $1 + 0 }' || fail "progress goes back"
script -qec "ffrtmp job transcode in.mp4 -o quiet.mp4 -p preset=ultrafast -q" /dev/null </dev/null >screen 2>&1
assert_eq "" "$(tr -d '\r\n' <screen)" "a quiet job on a terminal"
expect 0 ffrtmp job transcode in.mp4 -o none.mp4 -p preset=ultrafast
assert_eq "" "$out$err" "a job without a terminal"
# A program's own lines are understood too: percent reaches ps and status.
export HOME=$TMP/home
mkdir -p home/.config/ffrtmp/types
cat >home/.config/ffrtmp/types/slow.toml <<'T'
name = "slow"
version = 1
summary = "Tells how far it is"
[[steps]]
args = ["sh", "-c", "for i in 10 20 30 40; do echo step $i: $i% at 5 fps; sleep 0.8; done"]
progress = "step {*}: {percent}% at {fps} fps"
total = 100
T
expect 0 ffrtmp job slow -d --job-id "$TAG"
told() { ffrtmp status "$TAG" --json | jq -e '.media.out_time_s >= 10 and .media.fps == 5' >/dev/null; }
wait_for 10 told
expect 0 ffrtmp wait "$TAG"
