# shellcheck shell=bash
# variants: root user
#
# A tighter limit above the job: the receipt shows the effective value and why, and an OOM kill
# that it causes is not blamed on the job's own limit.

# shellcheck source=tests/lab/lib.sh
. "$LAB_TESTS/lib.sh"
manager=(systemctl)
[ "$LAB_VARIANT" != user ] || manager+=(--user)
undo() {
    kill_jobs
    "${manager[@]}" revert ffrtmp.slice 2>&1 || true
}
trap undo EXIT

"${manager[@]}" set-property --runtime ffrtmp.slice MemoryMax=32M CPUQuota=40%
ffrtmp run --job-id tight --memory-max 200M --cpu-max 80% --pids-max 50 -d -- sleep 100 2>err
ffrtmp status --json tight >tight.json
slice=$(job_dir tight)/../..
assert_eq $((32 << 20)) "$(cat "$slice/memory.max")" "the slice's limit"
assert_eq $((200 << 20)) "$(row tight.json memory.max .in_force.raw)"
assert_eq $((32 << 20)) "$(row tight.json memory.max .effective.raw)"
assert_eq "a cgroup above is tighter" "$(row tight.json memory.max .why)"
assert_eq "40000 100000" "$(row tight.json cpu.max .effective.raw)"
assert_eq "a cgroup above is tighter" "$(row tight.json cpu.max .why)"
assert_eq 50 "$(row tight.json pids.max .effective.raw)"
grep -q 'memory.max .*200M.*200M.*32M.*a cgroup above is tighter' err || fail "table: $(cat err)"

code=0
ffrtmp run --result-file "$PWD/result.json" -q --memory-max 200M -- tail /dev/zero || code=$?
assert_eq 137 $code
assert_eq oom_killed "$(json result.json .outcome)"
assert_eq "parent limit" "$(json result.json .killer)"
grep -q 'ffrtmp.slice' <<<"$(json result.json .reason)" || fail "reason: $(json result.json .reason)"
assert_eq false "$(jq -r .platform_sla.compliant result.json)" "platform_sla.compliant"
# A neighbour in the same slice was not touched.
assert_eq running "$(state_of tight)"

undo
trap kill_jobs EXIT
ffrtmp run --job-id loose --memory-max 200M -d -- sleep 100
ffrtmp status --json loose >loose.json
assert_eq $((200 << 20)) "$(row loose.json memory.max .effective.raw)" "after the slice's limit has gone"
