# shellcheck shell=bash disable=SC2015,SC2016,SC2154
# alone: it winds the PID counter back, and a number that another test remembers of its dead could be a stranger's
# A PID that was given to a stranger: no verb touches the stranger.
# shellcheck source=tests/integration/lib.sh
. "$TESTS/lib.sh"
need_v1 cpu
need python3
[ -w /proc/sys/kernel/ns_last_pid ] || skip "no /proc/sys/kernel/ns_last_pid"
# reuse PID: starts a process with just that PID, in $stranger.
cat >reuse.py <<'P'
import os, sys, time
want = int(sys.argv[1])
for _ in range(2000):
    with open("/proc/sys/kernel/ns_last_pid", "w") as f: f.write(str(want - 1))
    pid = os.fork()
    if pid == 0:
        if os.getpid() == want:
            os.closerange(0, 3)
            time.sleep(60)
        os._exit(0)
    if pid == want:
        print("got", flush=True)
        time.sleep(60)
        break
    os.waitpid(pid, 0)
P
sleep 100 &
pid=$!
expect 0 ffrtmp attach --pid $pid --job-id "$TAG" --once --cpu-max 80% --nice 5 --oom-score-adj 100
kill -9 $pid
wait $pid 2>/dev/null || true
python3 reuse.py $pid >got &
holder=$!
wait_for 30 grep -q got got
runs $pid || fail "no stranger has PID $pid"
before=$(settings_of $pid)
expect 125 ffrtmp set "$TAG" --nice 9
assert_contains "$err" "has ended"
expect 125 ffrtmp pause "$TAG"
expect 0 ffrtmp detach "$TAG"
expect 0 ffrtmp stop "$TAG"
sweep
assert_eq "$before" "$(settings_of $pid)" "the stranger"
runs $pid || fail "the stranger was ended"
no_leaves || fail "left $(leaves)"
kill $holder; kill -9 $pid 2>/dev/null || true
