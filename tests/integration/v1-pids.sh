# shellcheck shell=bash disable=SC2015,SC2016,SC2154
# pids.max refuses a fork bomb, and only there.
# shellcheck source=tests/integration/lib.sh
. "$TESTS/lib.sh"
need_v1 pids
need python3
cat >bomb.py <<'P'
import os, time
made = []
try:
    for _ in range(100):
        pid = os.fork()
        if pid == 0:
            time.sleep(20)
            os._exit(0)
        made.append(pid)
except OSError as error:
    print("refused after", len(made), error.strerror)
for pid in made:
    os.kill(pid, 9)
P
expect 0 ffrtmp run --pids-max 12 --job-id "$TAG" -- python3 bomb.py
assert_contains "$out" "refused after 11 "
assert_contains "$err" "pids.max"
expect 0 ffrtmp run -q --pids-max 200 -- python3 bomb.py
assert_eq "" "$out"
no_leaves || fail "left $(leaves)"
