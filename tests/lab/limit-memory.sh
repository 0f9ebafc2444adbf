# shellcheck shell=bash
# variants: root user hybrid
# timeout: 120
#
# A memory limit bites in every place where a job has a cgroup: what grows beyond memory.max is
# killed, and the result says so; what grows beyond memory.high is slowed down.

# shellcheck source=tests/lab/lib.sh
. "$LAB_TESTS/lib.sh"
trap kill_jobs EXIT

[ "$LAB_VARIANT" != root ] || make_parent
for place in $(places); do
    # The workload itself, and a child of it: a shell may outlive its child and pass the code on.
    for command in 'exec tail /dev/zero' 'tail /dev/zero; exit $?'; do
        code=0
        in_place "$place" --memory-max 24M --result-file "$PWD/result.json" -- sh -c "$command" 2>err || code=$?
        assert_eq 137 $code "$place: exit code of: $command: $(cat err)"
        assert_eq oom_killed "$(json result.json .outcome)" "$place: outcome"
        assert_eq "own limit" "$(json result.json .killer)" "$place: killer"
        assert_eq $((24 << 20)) "$(row result.json memory.max .in_force.raw)" "$place: memory.max in force"
        peak=$(json result.json .usage.memory_peak_bytes)
        [ "$peak" -le $((24 << 20)) ] || fail "$place: peak of $peak bytes"
        [ "$peak" -ge $((20 << 20)) ] || fail "$place: killed at a peak of only $peak bytes"
        rm result.json
    done
done

if [ "$LAB_VARIANT" != hybrid ]; then
    ffrtmp run --job-id high --memory-high 24M -d -- tail /dev/zero
    dir=$(job_dir high)
    assert_eq $((24 << 20)) "$(cat "$dir/memory.high")"
    sleep 4
    now=$(cat "$dir/memory.current")
    [ "$now" -lt $((40 << 20)) ] || fail "memory.high of 24M let $now bytes through in 4 s"
    [ "$(sed -n 's/^high //p' "$dir/memory.events")" -gt 0 ] || fail "never above memory.high"
fi
