# shellcheck shell=bash
# variants: user hybrid
# timeout: 90
#
# Idle means idle: who waits for a quiet workload makes no system call, does not wake up and takes
# next to no memory.

# shellcheck source=tests/lab/lib.sh
. "$LAB_TESTS/lib.sh"
trap kill_jobs EXIT

ffrtmp run -q --job-id fore --memory-max 50M --cpu-max 50% -- sleep 100 </dev/null &
wrapper=$!
ffrtmp run -q --job-id det --memory-max 50M -d -- sleep 100
wait_for 20 is_state fore running
recorder=$(ffrtmp status --json det | jq -er .observer.pid)
assert_eq $wrapper "$(ffrtmp status --json fore | jq -er .observer.pid)"
sleep 3    # both have settled

switches() { awk '/ctxt_switches/ { n += $2 } END { print n }' /proc/"$1"/task/*/status; }
before="$(switches $wrapper) $(switches "$recorder")"
# Tracing is a disturbance of its own, hence the counters first.
sleep 10
assert_eq "$before" "$(switches $wrapper) $(switches "$recorder")" "context switches in 10 s"
for process in $wrapper $recorder; do
    assert_eq 1 "$(find "/proc/$process/task" -mindepth 1 -maxdepth 1 | wc -l)" threads
    private=$(awk '/^Private_/ { n += $2 } END { print n }' "/proc/$process/smaps_rollup")
    rss=$(awk '/^Rss:/ { print $2 }' "/proc/$process/smaps_rollup")
    echo "private $private KB, RSS $rss KB"
    [ "$private" -le 1024 ] || fail "private memory of $private KB"
    [ "$rss" -le 3072 ] || fail "RSS of $rss KB"
done
if [ "$LAB_VARIANT" != user ]; then
    timeout 6 strace -f -o calls -p $wrapper -p "$recorder" 2>/dev/null || true
    # What strace interrupts by attaching shows up as restarted or unfinished; nothing else may.
    calls=$(grep -vE 'restart_syscall|poll\(.*(unfinished|detached)|^[0-9]+ +\+\+\+' calls || true)
    [ -s calls ] || fail "strace saw nothing, not even where they wait"
    assert_eq '' "$calls" "system calls in 6 s"
fi
