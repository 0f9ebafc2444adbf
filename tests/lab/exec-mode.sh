# shellcheck shell=bash
# variants: root bare hybrid
#
# --exec: one process, the workload itself, with its limits in force.

# shellcheck source=tests/lab/lib.sh
. "$LAB_TESTS/lib.sh"
cleanup() { kill -KILL "$pid" 2>/dev/null || true; kill_jobs; }
trap cleanup EXIT

ffrtmp run --exec --job-id e --memory-max 50M --pids-max 30 --nice 4 -- sleep 100 2>err &
pid=$!
wait_for 20 grep -q sleep "/proc/$pid/comm"
assert_eq "$pid" "$(job_pid e)"
# Nobody else of ours is there.
for other in /proc/[0-9]*; do
    exe=$(readlink "$other/exe" 2>/dev/null || true)
    [[ ${exe##*/} != ffrtmp* ]] || fail "left beside it: $(tr '\0' ' ' <"$other/cmdline")"
done
assert_eq 4 "$(ps -o ni= -p $pid | tr -d ' ')"
case $LAB_VARIANT in
    bare) assert_eq 52428800 "$(sed -n 's/^Max data size *\([0-9]*\) .*/\1/p' "/proc/$pid/limits")" ;;
    hybrid)
        assert_eq 52428800 "$(cat "$(job_dir e memory)/memory.limit_in_bytes")"
        assert_eq $pid "$(cat "$(job_dir e memory)/cgroup.procs")"
        assert_eq $pid "$(cat "$(job_dir e pids)/cgroup.procs")" ;;
    *)
        assert_eq "52428800 30" "$(cat "$(job_dir e)/memory.max") $(cat "$(job_dir e)/pids.max")"
        assert_eq $pid "$(cat "$(job_dir e)/cgroup.procs")" ;;
esac
grep -q 'memory.max' err || fail "no receipt: $(cat err)"
# Its death is its parent's to see.
kill -TERM $pid
code=0
wait $pid || code=$?
assert_eq 143 $code

# The code is the workload's, and its OOM kill is real.
code=0
ffrtmp run --exec -q -- sh -c 'exit 23' || code=$?
assert_eq 23 $code
if [ "$LAB_VARIANT" != bare ]; then
    code=0
    ffrtmp run --exec -q --job-id again --memory-max 20M -- tail /dev/zero || code=$?
    assert_eq 137 $code
    # Nobody was left to remove its cgroup; the next one of that name takes its place.
    ffrtmp run --exec -q --job-id again --memory-max 30M --require memory.max -- true
fi
