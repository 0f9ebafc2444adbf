# shellcheck shell=bash
# variants: root
#
# Where clone3 is refused (an outer container's seccomp filter, an old kernel) the gate is used: the
# workload is in its leaf with its limits before its first instruction, and recorders are placed too.

# shellcheck source=tests/lab/lib.sh
. "$LAB_TESTS/lib.sh"
trap kill_jobs EXIT

for errno in ENOSYS EPERM; do
    refused=(-p SystemCallFilter=~clone3 -p "SystemCallErrorNumber=$errno")
    in_unit "${refused[@]}" -- ffrtmp run --memory-max 24M --result-file "$PWD/result.json" -- \
        cat /proc/self/cgroup >born 2>err || fail "$errno: exit code $?: $(cat err)"
    grep -q '^0::/ffrtmp.slice/ffrtmp-jobs.scope/cat-' born || fail "$errno: born in $(cat born): $(cat err)"
    assert_eq enforced "$(row result.json memory.max .strength)" "$errno"
    code=0
    in_unit "${refused[@]}" -- ffrtmp run -q --memory-max 24M -- tail /dev/zero || code=$?
    assert_eq 137 $code "$errno: beyond its memory"

    # The recorder outlives the unit, too.
    in_unit "${refused[@]}" -- ffrtmp run -q --job-id "d-$errno" -d -- sh -c 'sleep 3; exit 5'
    [[ $(cgroup_of "$(ffrtmp status --json "d-$errno" | jq .observer.pid)") == */ffrtmp-jobs.scope/* ]] || fail "$errno: the recorder stands in the caller's unit"
    code=0
    ffrtmp wait "d-$errno" || code=$?
    assert_eq 5 $code "$errno: detached"
done
