# shellcheck shell=bash
# variants: root hybrid
# timeout: 180
#
# A memory maximum below what is in use: page cache is reclaimed until it fits, anonymous memory is not touched and the
# change refused; nothing is ever killed. The same for a unit in place, through systemd.

# shellcheck source=tests/lab/lib.sh
. "$LAB_TESTS/lib.sh"
trap 'systemctl stop lab-hog 2>/dev/null || true; kill_jobs' EXIT
# 40 MB of its own, and 120 MB of page cache of a file that it has just written.
cat >hog.py <<'P'
import time
x = bytearray(40 << 20)
for i in range(0, len(x), 4096): x[i] = 1
with open("cached", "wb") as f:
    for _ in range(120): f.write(bytes(1 << 20))
    f.flush()
    import os; os.fsync(f.fileno())
open("ready", "w").write("x")
while True: time.sleep(0.1)
P
in_use() { if [ "$LAB_VARIANT" = hybrid ]; then cat "$1/memory.usage_in_bytes"; else cat "$1/memory.current"; fi; }
maximum() { if [ "$LAB_VARIANT" = hybrid ]; then cat "$1/memory.limit_in_bytes"; else cat "$1/memory.max"; fi; }
kills() { if [ "$LAB_VARIANT" = hybrid ]; then sed -n 's/^oom_kill //p' "$1/memory.oom_control"; else sed -n 's/^oom_kill //p' "$1/memory.events"; fi; }
check() {    # JOB PID FOLDER
    [ "$(in_use "$3")" -gt $((110 << 20)) ] || fail "it uses only $(in_use "$3")"
    ffrtmp set "$1" --memory-max 90M 2>err || fail "$(cat err)"
    assert_eq $((90 << 20)) "$(maximum "$3")"
    [ "$(in_use "$3")" -le $((90 << 20)) ] || fail "it uses $(in_use "$3")"
    [ "$LAB_VARIANT" = hybrid ] || assert_eq max "$(cat "$3/memory.high")" "memory.high afterwards"
    code=0
    ffrtmp set "$1" --memory-max 20M --cpu-max 50% 2>err || code=$?
    assert_eq 125 $code "a maximum below its anonymous memory"
    grep -q 'anonymous memory' err || fail "$(cat err)"
    assert_eq $((90 << 20)) "$(maximum "$3")"
    assert_eq 0 "$(kills "$3")" kills
    ! gone "$2" || fail "it was killed"
}
ffrtmp run -q -d --job-id r --memory-max 500M -- python3 hog.py >/dev/null
wait_for 60 test -s ready
check r "$(job_pid r)" "$(job_dir r)"
ffrtmp stop --grace 1s r

rm ready
systemd-run --quiet --unit=lab-hog -p MemoryMax=450M --working-directory="$PWD" python3 hog.py
wait_for 60 test -s ready
pid=$(systemctl show -P MainPID lab-hog)
code=0
ffrtmp attach --pid "$pid" --job-id u --once --memory-max 20M 2>err || code=$?
assert_eq 125 $code
assert_eq $((450 << 20)) "$(systemctl show -P MemoryMax lab-hog)" "a refused attach changed the unit"
ffrtmp attach --pid "$pid" --job-id u --once --memory-max 300M 2>err || fail "$(cat err)"
check u "$pid" "$(job_dir u)"
ffrtmp detach u
assert_eq $((450 << 20)) "$(systemctl show -P MemoryMax lab-hog)"
assert_eq infinity "$(systemctl show -P MemoryHigh lab-hog)"
assert_eq "[not set]" "$(systemctl show -P CPUQuotaPerSecUSec lab-hog | sed 's/infinity/[not set]/')"
