# shellcheck shell=bash disable=SC2015,SC2016,SC2154
# What attach refuses: one line, code 125, nothing made, nothing changed.
# shellcheck source=tests/integration/lib.sh
. "$TESTS/lib.sh"
sleep 100 &
pid=$!
before=$(settings_of $pid)
bad() {
    local part=$1
    shift
    expect 125 ffrtmp "$@"
    assert_eq 1 "$(wc -l <"$TMP/.err")" "lines on stderr of: ffrtmp ${*@Q}: $err"
    assert_eq "" "$out" "stdout of: ffrtmp ${*@Q}"
    assert_contains "${err,,}" "${part,,}" "ffrtmp ${*@Q}"
    [ -z "$(find "$FFRTMP_STATE_DIR/jobs" -mindepth 1 2>/dev/null)" ] || fail "left a job: ffrtmp ${*@Q}"
    no_leaves || fail "left $(leaves)"
    assert_eq "$before" "$(settings_of $pid)" "changed by: ffrtmp ${*@Q}"
}
attach=(attach --job-id "$TAG" --once --nice 5)
bad 'which process' attach
bad 'which process' attach --cpu-max 50%
bad 'process 99999999 does not exist' "${attach[@]}" --pid 99999999
for value in x '' 0 -1 1.5 99999999999 "$pid "; do bad '--pid' "${attach[@]}" --pid="$value"; done
bad 'first process' "${attach[@]}" --pid 1
bad 'this command runs below' "${attach[@]}" --pid $$
kernel=$(awk '/^PPid:[[:space:]]*2$/ { sub("/proc/", "", FILENAME); sub("/status", "", FILENAME); print FILENAME; exit }' /proc/[0-9]*/status)
[ -z "$kernel" ] || bad 'kernel thread' "${attach[@]}" --pid "$kernel"
bad 'twice' attach --once --pid $pid --pid $pid
bad '--job-id names one job' "${attach[@]}" --pid $pid --pid $$
bad 'did you mean' "${attach[@]}" --pid $pid --cpu-mox 5%
bad 'argument' "${attach[@]}" $pid
bad 'contradicts' "${attach[@]}" --pid $pid --placement none --cgroup-parent /x
bad '--require' "${attach[@]}" --pid $pid --placement none --memory-max 1G --require memory.max
bad 'nothing of what was asked' attach --job-id "$TAG" --once --pid $pid --placement none --memory-max 1G
bad 'job id' attach --job-id ../x --once --pid $pid
for verb in set detach pause resume; do bad 'which job' $verb; done
bad 'which limit' set "$TAG"
bad 'no such job' detach "$TAG-unknown"
bad 'no such job' set "$TAG-unknown" --nice 3
bad 'no such job' pause "$TAG-unknown"
# A zombie, and a thread that is no process.
python3 -c '
import os, threading, time
child = os.fork()
if child == 0: os._exit(0)
threading.Thread(target=time.sleep, args=(60,)).start()
print(child, flush=True)
time.sleep(60)' >zombie &
parent=$!
wait_for 10 test -s zombie
bad 'zombie' "${attach[@]}" --pid "$(cat zombie)"
thread=$(ls "/proc/$parent/task" | grep -v "^$parent$" | head -n 1)
bad 'is a thread' "${attach[@]}" --pid "$thread"
kill $parent
if [ "$(id -u)" = 0 ]; then
    # All or none: the second does not exist.
    bad 'does not exist' attach --once --nice 5 --pid $pid --pid 99999999
    # Another user's.
    chmod 711 "$TMP"
    mkdir -m 777 "$TMP/theirs"
    expect 125 setpriv --reuid 65534 --regid 65534 --clear-groups env FFRTMP_STATE_DIR="$TMP/theirs/state" "$(command -v ffrtmp)" attach --once --pid $pid --nice 5
    assert_eq 1 "$(wc -l <"$TMP/.err")" "lines: $err"
    assert_contains "$err" "belongs to root"
    assert_contains "$err" "CAP_SYS_NICE"
    assert_eq "$before" "$(settings_of $pid)" "another user's"
fi
# A job of run is not for detach, nor for another attach.
ffrtmp run -q -d --job-id "$TAG-run" -- sleep 50 >/dev/null
run=$(pid_of "$TAG-run")
expect 125 ffrtmp attach --once --pid "$run" --nice 5
assert_contains "$err" "governed already, by job $TAG-run"
expect 125 ffrtmp detach "$TAG-run"
assert_contains "$err" "started by ffrtmp run"
ffrtmp stop "$TAG-run"
kill $pid
