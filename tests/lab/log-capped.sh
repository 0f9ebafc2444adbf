# shellcheck shell=bash
# variants: hybrid
# timeout: 90
#
# A detached job's log keeps to its cap on disk, while the writer neither waits nor fails.

# shellcheck source=tests/lab/lib.sh
. "$LAB_TESTS/lib.sh"
trap kill_jobs EXIT

# 12 s of about 400 KB/s in lines; the longest time a single write took goes to a file.
cat >writer.py <<'EOF'
import os, sys, time
slowest = 0
for i in range(1200):
    before = time.monotonic()
    assert os.write(1, (b"%08d " % i) * 455 + b"\n") == 455 * 9 + 1
    slowest = max(slowest, time.monotonic() - before)
    time.sleep(0.01)
open(sys.argv[1], "w").write("%f\n" % slowest)
EOF
cap=$((512 * 1024))
ffrtmp run -q --job-id capped --log-max 512K -d -- python3 writer.py "$PWD/slowest"
log=$(ffrtmp status --json capped | jq -er .log)
most=0
while is_state capped running; do
    space=$(($(stat -c %b "$log") * 512))
    [ $space -le $most ] || most=$space
    sleep 0.3
done
code=0
ffrtmp wait capped || code=$?
assert_eq 0 $code "the writer"
size=$(stat -c %s "$log")
echo "written: $size bytes, most space: $most, slowest write: $(cat slowest) s"
assert_eq $((1200 * 4096)) "$size" "bytes that the writer wrote"
# The recorder comes back before another half of the cap is written at the pace so far, when it is given a CPU.
[ $most -le $((cap * 2)) ] || fail "$most bytes on disk where $cap are allowed"
[ $most -ge $((cap / 4)) ] || fail "hardly anything was kept: $most bytes"
[ "$(cut -d. -f1 slowest)" = 0 ] || fail "a write took $(cat slowest) s"
assert_eq 00001199 "$(ffrtmp logs capped | tail -n 1 | cut -d' ' -f1)" "the end of the log"

# As fast as it can: it is not held up, and at the end the space is as promised.
code=0
ffrtmp run -q --job-id flood --log-max 512K -d -- sh -c 'yes | head -c 60000000'
ffrtmp wait flood || code=$?
assert_eq 0 $code "the flood"
log=$(ffrtmp status --json flood | jq -er .log)
assert_eq 60000000 "$(stat -c %s "$log")"
[ $(($(stat -c %b "$log") * 512)) -le $((cap * 3 / 2)) ] || fail "the flood has left $(($(stat -c %b "$log") * 512)) bytes"
