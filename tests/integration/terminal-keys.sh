# shellcheck shell=bash disable=SC2015,SC2016,SC2154
# Keys typed at the terminal reach the workload: Ctrl-C, FFmpeg's q; Ctrl-Z stops both and fg brings them back.
# shellcheck source=tests/integration/lib.sh
. "$TESTS/lib.sh"
need python3
cat >keys.py <<'P'
"""keys.py SECONDS KEYS ... -- COMMAND: types KEYS after SECONDS each; prints the exit code and what was shown."""
import os, pty, select, sys, time
split = sys.argv.index("--")
script, command = sys.argv[1:split], sys.argv[split + 1:]
plan = [(float(script[i]), script[i + 1].encode().decode("unicode_escape").encode()) for i in range(0, len(script), 2)]
pid, fd = pty.fork()
if pid == 0:
    os.execvp(command[0], command)
shown, due = b"", time.time() + plan[0][0]
deadline = time.time() + 40
while time.time() < deadline:
    if select.select([fd], [], [], 0.05)[0]:
        try:
            got = os.read(fd, 4096)
        except OSError:
            break
        if not got:
            break
        shown += got
    if plan and time.time() >= due:
        os.write(fd, plan.pop(0)[1])
        if plan:
            due = time.time() + plan[0][0]
_, status = os.waitpid(pid, 0)
print("code", os.waitstatus_to_exitcode(status))
print(shown.decode(errors="replace"))
P
shown=$(python3 keys.py 1 '\x03' -- ffrtmp run -- sleep 30)
assert_contains "$shown" "code 130" "Ctrl-C on sleep"
shown=$(python3 keys.py 2 '\x03' -- ffrtmp run --job-id "$TAG" -- ffmpeg -v error -y -re -f lavfi -i testsrc=size=64x48:rate=25 -c:v mpeg4 c.mp4)
assert_contains "$shown" "code 255" "Ctrl-C on ffmpeg"
ffprobe -v error c.mp4 || fail "c.mp4 was not finished"
shown=$(python3 keys.py 2 'q' -- ffrtmp run -- ffmpeg -v error -y -re -f lavfi -i testsrc=size=64x48:rate=25 -c:v mpeg4 q.mp4)
assert_contains "$shown" "code 0" "q on ffmpeg"
ffprobe -v error q.mp4 || fail "q.mp4 was not finished"
# Ctrl-Z: the shell must get its prompt back, and fg must go on.
shown=$(python3 keys.py 1 "ffrtmp run -q -- sh -c 'sleep 2; echo slept'\n" 1 '\x1a' 1 'echo at the $((40+2)) prompt\n' 0.5 'fg\n' 3 'exit 9\n' -- \
    env PS1= bash --norc -i)
assert_contains "$shown" "at the 42 prompt" "after Ctrl-Z"
assert_contains "$shown" $'slept\r' "after fg"
assert_contains "$shown" "code 9"
# The terminal is the shell's again after the job.
shown=$(python3 keys.py 1 'ffrtmp run -q -- true; cat\n' 1 'typed\n' 1 '\x03' 0.5 'exit 9\n' -- env PS1= bash --norc -i)
assert_contains "$shown" "code 9" "after a job in the foreground"
