# shellcheck shell=bash disable=SC2154
# timeout: 150
# What a stream does is seen from outside: the bit rate that its peer takes, the growth of its file; and a stalled one is told.
# shellcheck source=tests/integration/lib.sh
. "$TESTS/lib.sh"
port=$(python3 -c 'import socket; s = socket.socket(); s.bind(("127.0.0.1", 0)); print(s.getsockname()[1])')
ffmpeg -nostdin -v error -listen 1 -i "rtmp://127.0.0.1:$port/live/x" -c copy -f null - &
peer=$!
trap 'kill -CONT "$peer" 2>/dev/null || true; kill "$peer" 2>/dev/null || true' EXIT
sleep 1
# Plain ffmpeg, adopted while it runs: no progress file, nothing of ours in it.
ffmpeg -nostdin -v error -re -f lavfi -i testsrc2=s=320x240:r=25 -c:v libx264 -preset ultrafast -b:v 800k -minrate 800k -maxrate 800k -bufsize 400k \
    -nal-hrd cbr -f flv "rtmp://127.0.0.1:$port/live/x" &
push=$!
expect 0 ffrtmp attach --pid "$push" --once --job-id "$TAG" --nice 5
flows() { ffrtmp status --json --sample 2s "$TAG" | jq -e '.now.sent_bps > 400000 and .now.sent_bps < 1600000' >/dev/null; }
wait_for 40 flows
expect 0 ffrtmp status --json "$TAG"
assert_eq "127.0.0.1:$port" "$(jq -r '.connections[0].remote' <<<"$out")"
assert_eq "null null" "$(jq -r '"\(.now) \(.stalled_s)"' <<<"$out")" "without --sample there are counters only"
jq -e '.connections[0] | .established and .acked_bytes > 50000 and .stalled_s == null' <<<"$out" >/dev/null || fail "counters: $out"
expect 0 ffrtmp status "$TAG"
[[ $out =~ stream\ +to\ 127.0.0.1:$port:\ [0-9.]+\ [kM]bit/s ]] || fail "no bit rate in: $out"
assert_lacks "$out" stalled
# The peer reads no more: the stream stands although the process lives.
kill -STOP "$peer"
stands() { ffrtmp status --json "$TAG" | jq -e '.stalled_s >= 3' >/dev/null; }
wait_for 90 stands
expect 0 ffrtmp status "$TAG"
[[ $out =~ state\ +[a-z]+,\ stalled\ [0-9]+ ]] || fail "the standstill is not told: $out"
assert_contains "$out" "127.0.0.1:$port takes no more data"
expect 0 ffrtmp why "$TAG"
assert_contains "$(head -n 1 <<<"$out")" "has stood still for"
expect 0 ffrtmp top --interval 200ms
assert_contains "$out" "stalled"
kill -CONT "$peer"
flows_again() { ffrtmp status --json "$TAG" | jq -e '.stalled_s == null' >/dev/null; }
wait_for 60 flows_again
expect 0 ffrtmp stop "$TAG"
wait "$push" || true
# A job that writes a file.
expect 0 ffrtmp run -q -d --job-id "$TAG-file" --cpu-max 20% -- ffmpeg -nostdin -v error -y -f lavfi -i testsrc2=s=640x480 -c:v libx264 -t 3600 out.mkv
grows() { ffrtmp status --json --sample 1s "$TAG-file" | jq -e --arg f "$PWD/out.mkv" '.now.file_bytes_per_s > 0 and any(.files[]; .path == $f and .bytes > 0)' >/dev/null; }
wait_for 60 grows
held() { ffrtmp status --json --sample 1s "$TAG-file" | jq -e '.now.throttled_share > 0.2' >/dev/null; }
wait_for 60 held
expect 0 ffrtmp status "$TAG-file"
assert_contains "$out" "held back by its CPU limit"
assert_contains "$out" "$PWD/out.mkv"
# A table, twice; its second one has rates.
expect 0 ffrtmp top --interval 500ms --count 2
assert_eq 2 "$(grep -c "^$TAG-file  *running  *[0-9]*% " <<<"$out")" "rows with rates in: $out"
expect 0 ffrtmp stop "$TAG-file"
# On a terminal: a screen of its own, left as it was by q.
expect 0 python3 - <<'P'
import os, pty, sys, time, select
pid, fd = pty.fork()
if pid == 0:
    os.execvp("ffrtmp", ["ffrtmp", "top", "--interval", "200ms"])
seen, sent, end = b"", False, time.time() + 30
while time.time() < end:
    if select.select([fd], [], [], 0.1)[0]:
        try:
            part = os.read(fd, 4096)
        except OSError:
            break
        if not part:
            break
        seen += part
    if not sent and b"no jobs" in seen:
        os.write(fd, b"q")
        sent = True
code = os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])
sys.exit(0 if code == 0 and sent and b"\033[?1049l" in seen else f"code {code}, seen {seen!r}")
P
# Wrong words.
expect 125 ffrtmp status "$TAG-file" --sample 2h
assert_contains "$err" "a minute at most"
expect 125 ffrtmp top --count 0
expect 125 ffrtmp top --interval 1ms
expect 125 ffrtmp top job
