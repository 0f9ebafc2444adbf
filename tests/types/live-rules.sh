# shellcheck shell=bash disable=SC2015,SC2016,SC2154
# Restart policy, stall watchdog and retention, without a network.
# timeout: 180
# shellcheck source=tests/types/lib.sh
. "$TESTS/lib.sh"
# A live type of our own: what it runs fails, or stands still.
mkdir -p home/.config/ffrtmp/types
export HOME=$TMP/home
cat >home/.config/ffrtmp/types/flaky.toml <<'T'
name = "flaky"
version = 3
summary = "Fails after a moment"
[parameters]
code = { type = "integer", default = 7, help = "exit code" }
[live]
restart = "on-failure"
backoff = "100ms"
max = 2
[[steps]]
args = ["sh", "-c", "echo run >>runs; sleep 0.2; exit ${code}"]
T
expect 7 ffrtmp job flaky --job-id "$TAG-a"
assert_eq 3 "$(wc -l <runs)" "starts: one and two restarts"
result "$TAG-a" '.job.restarts == 2 and .job.version == 3 and .exit_code == 7' >/dev/null
rm runs
expect 0 ffrtmp job flaky -p code=0
assert_eq 1 "$(wc -l <runs)" "starts of one that succeeds"
rm runs
expect 0 ffrtmp job flaky -p code=0 --restart always --restart-max 1
assert_eq 2 "$(wc -l <runs)" "starts with always"
rm runs
expect 7 ffrtmp job flaky --restart no
assert_eq 1 "$(wc -l <runs)" "starts with no"
# What cannot be found is not tried again and again.
expect 127 ffrtmp job exec -- no-such-program-here
# Stopped while it waits to be started again: it is not.
sed -i 's/backoff = "100ms"/backoff = "30s"/; s/max = 2/max = 0/' home/.config/ffrtmp/types/flaky.toml
rm runs
expect 0 ffrtmp job flaky -d --job-id "$TAG-b"
sleep 1.5
begin=$SECONDS
expect 0 ffrtmp stop "$TAG-b"
[ $((SECONDS - begin)) -lt 10 ] || fail "the stop waited for the backoff"
assert_eq 1 "$(wc -l <runs)"
assert_eq ended "$(ffrtmp status "$TAG-b" --json | jq -r .state)"
# Limits that were set meanwhile are still told after a restart.
cat >home/.config/ffrtmp/types/again.toml <<'T'
name = "again"
version = 1
summary = "Ends after a while, and is started again"
[live]
restart = "always"
backoff = "100ms"
[[steps]]
args = ["sh", "-c", "sleep 3"]
T
expect 0 ffrtmp job again -d --job-id "$TAG-set" --memory-max 400M
expect 0 ffrtmp set "$TAG-set" --memory-max 300M --nice 7
wait_for 20 sh -c "ffrtmp status --json $TAG-set | jq -e '.restarts >= 1' >/dev/null"
assert_eq 300M "$(ffrtmp status --json "$TAG-set" | jq -r '.receipt.limits[] | select(.limit == "memory.max") | .in_force.text')" "limit after a restart"
# What no cgroup keeps is given to the new processes too.
at_seven() { [ "$(nices_of "$(pid_of "$TAG-set")")" = 7 ]; }
wait_for 20 at_seven
expect 0 ffrtmp stop "$TAG-set"
# A source that goes silent: flagged, or stopped and started again.
mkfifo pipe
cat >home/.config/ffrtmp/types/still.toml <<T
name = "still"
version = 1
summary = "Media time that stands still"
[live]
restart = "on-failure"
backoff = "100ms"
stall = "1500ms"
[[steps]]
engine = "ffmpeg"
args = ["-f", "mpegts", "-i", "$TMP/pipe", "-f", "null", "-"]
T
# Two seconds of film come, then nothing, while the writer holds the pipe open.
feed() { { ffmpeg -nostdin -v error -f lavfi -i testsrc=size=64x48:rate=25:duration=2 -c:v mpeg2video -f mpegts -; exec sleep 60; } >pipe; }
feed & feeder=$!
expect 0 ffrtmp job still -d --job-id "$TAG-c"
flagged() { [ "$(ffrtmp status "$1" --json | jq -r .stalled_since)" != null ]; }
wait_for 20 flagged "$TAG-c"
assert_contains "$(ffrtmp status "$TAG-c")" "stood still"
assert_eq 0 "$(ffrtmp status "$TAG-c" --json | jq .restarts)" "only flagged"
expect 0 ffrtmp stop --grace 1s "$TAG-c"
kill $feeder; wait $feeder 2>/dev/null || true
sed -i 's/^stall = .*/&\nrestart_on_stall = true/' home/.config/ffrtmp/types/still.toml
feed & feeder=$!
expect 0 ffrtmp job still -d --job-id "$TAG-d"
restarted() { [ "$(ffrtmp status "$1" --json | jq .restarts)" -ge 1 ]; }
wait_for 40 restarted "$TAG-d"
expect 0 ffrtmp stop --grace 1s "$TAG-d"
kill $feeder; wait $feeder 2>/dev/null || true
# Retention: by size, oldest first, and nothing but segments is ever let go.
film src.mp4 12 320x180
mkdir rec
echo mine >rec/notes.txt
expect 0 ffrtmp job record src.mp4 -o rec -p segment=2s -p duration=11s -p keep_size=300K --job-id "$TAG-e"
sum=$(find rec -name 'segment-*' -printf '%s\n' | awk '{ n += $1 } END { print n + 0 }')
[ "$sum" -le 307200 ] && [ "$sum" -gt 0 ] || fail "$sum bytes are kept"
assert_eq mine "$(cat rec/notes.txt)"
result "$TAG-e" '.job.segments >= 3 and .job.broken_segments == []' >/dev/null
nothing_left
