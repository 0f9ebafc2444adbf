# shellcheck shell=bash
# variants: root user hybrid
#
# pids.max refuses a fork bomb at the very process that is one too many.

# shellcheck source=tests/lab/lib.sh
. "$LAB_TESTS/lib.sh"
trap kill_jobs EXIT

cat >bomb.py <<'EOF'
import os, signal
children = []
try:
    while len(children) < 60:
        pid = os.fork()
        if pid == 0:
            signal.pause()
        children.append(pid)
except BlockingIOError as error:
    print(len(children), error.errno)
for pid in children:
    os.kill(pid, signal.SIGKILL)
    os.waitpid(pid, 0)
EOF
[ "$LAB_VARIANT" != root ] || make_parent
for place in $(places); do
    in_place "$place" -q --pids-max 20 -- python3 bomb.py >"$place.out"
    assert_eq "19 11" "$(cat "$place.out")" "$place: children before EAGAIN"
done
