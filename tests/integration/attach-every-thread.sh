# shellcheck shell=bash disable=SC2015,SC2016,SC2154
# 64 threads that come and go, children that fork meanwhile, a first thread that has ended: all are reached, and put back.
# (By the v2 hierarchy: v1 shows what is on its way out at the top.)
# shellcheck source=tests/integration/lib.sh
. "$TESTS/lib.sh"
need_v1 cpu
need python3
cat >threads.py <<'P'
import ctypes, os, threading, time
def churn():
    while True:
        t = threading.Thread(target=time.sleep, args=(0.002,)); t.start(); t.join()
for _ in range(60): threading.Thread(target=time.sleep, args=(120,), daemon=True).start()
for _ in range(4): threading.Thread(target=churn, daemon=True).start()
def fork():
    while True:
        pid = os.fork()
        if pid == 0:
            time.sleep(0.05); os._exit(0)
        time.sleep(0.01)
        while True:
            try:
                if os.waitpid(-1, os.WNOHANG)[0] == 0: break
            except ChildProcessError: break
threading.Thread(target=fork, daemon=True).start()
open("ready", "w").write("x")
time.sleep(120)
P
python3 threads.py &
pid=$!
wait_for 20 test -s ready
for round in 1 2 3 4 5; do
    expect 0 ffrtmp attach --pid $pid --job-id "$TAG" --once --cpu-max 150% --nice 6 --ionice best-effort:7
    for look in 1 2 3; do
        assert_eq 6 "$(nices_of $pid 2>/dev/null)" "round $round, look $look: nice of its threads"
        for task in "/proc/$pid/task/"*; do
            path=$(grep ^0:: "$task/cgroup" 2>/dev/null) || continue
            assert_contains "$path" "/ffrtmp/$TAG" "thread ${task##*/}"
        done
        for child in $(pgrep -P $pid); do
            runs "$child" || continue
            path=$(grep ^0:: "/proc/$child/cgroup" 2>/dev/null) || continue
            [[ $path == *"/ffrtmp/$TAG"* ]] || gone "$child" || fail "child $child is in $path"
        done
    done
    expect 0 ffrtmp detach "$TAG"
    assert_eq 0 "$(nices_of $pid 2>/dev/null)" "round $round: nice of its threads after detach"
    no_leaves || fail "left $(leaves)"
done
kill $pid

cat >headless.c <<'C'
#include <pthread.h>
#include <unistd.h>
static void *live(void *x) { sleep(120); return x; }
int main(void) { pthread_t t; pthread_create(&t, 0, live, 0); pthread_create(&t, 0, live, 0); pthread_exit(0); }
C
command -v cc >/dev/null || skip "no cc: the first thread was not ended"
cc -O1 -o headless headless.c -pthread
./headless &
pid=$!
wait_for 10 grep -q 'State:.Z' /proc/$pid/status
expect 0 ffrtmp attach --pid $pid --job-id "$TAG" --once --cpu-max 150% --nice 6
living=$(for task in "/proc/$pid/task/"*; do grep -q 'State:.Z' "$task/status" || echo "${task##*/}"; done)
assert_eq 2 "$(wc -w <<<"$living")" "living threads"
for tid in $living; do
    assert_contains "$(grep :cpu: /proc/$pid/task/"$tid"/cgroup)" "/ffrtmp/$TAG" "thread $tid"
    assert_eq 6 "$(sed 's/.*) //' /proc/$pid/task/"$tid"/stat | cut -d' ' -f17)" "nice of thread $tid"
done
expect 0 ffrtmp detach "$TAG"
for tid in $living; do
    assert_lacks "$(grep :cpu: /proc/$pid/task/"$tid"/cgroup)" "$TAG" "thread $tid"
    assert_eq 0 "$(sed 's/.*) //' /proc/$pid/task/"$tid"/stat | cut -d' ' -f17)" "nice of thread $tid"
done
kill -9 $pid
no_leaves || fail "left $(leaves)"
