# shellcheck shell=bash disable=SC2015,SC2016,SC2154
# The terminal is closed under a foreground run, as when an SSH connection breaks: the encode goes on.
# shellcheck source=tests/integration/lib.sh
. "$TESTS/lib.sh"
need python3
cat >hangup.py <<'P'
import os, pty, sys, time
pid, fd = pty.fork()
if pid == 0:
    os.execvp(sys.argv[2], sys.argv[2:])
end = time.time() + float(sys.argv[1])
os.set_blocking(fd, False)
while time.time() < end:
    try:
        os.read(fd, 4096)
    except (BlockingIOError, OSError):
        pass
    time.sleep(0.02)
os.close(fd)        # hang-up
os.waitpid(pid, 0)
P
live_encode 4 a.mp4
python3 hangup.py 1.5 ffrtmp run --job-id "$TAG-a" -- "${encode[@]}"
workload=$(pid_of "$TAG-a")
runs "$workload" || fail "the workload died with the terminal"
assert_eq unobserved "$(ffrtmp status --json "$TAG-a" | jq -r .state)"
# The same below an interactive shell with job control, which passes SIGHUP on.
cat >session <<S
ffrtmp run --job-id $TAG-b -- ffmpeg -v error -y -re -f lavfi -i testsrc=size=64x48:rate=25:duration=4 -c:v mpeg4 $TMP/b.mp4
S
python3 hangup.py 1.5 bash --norc -i -c ". $TMP/session"
second=$(pid_of "$TAG-b")
runs "$second" || fail "the workload died with the shell's terminal"
wait_for 20 gone "$workload"
wait_for 20 gone "$second"
assert_playable a.mp4 4
assert_playable b.mp4 4
