# shellcheck shell=bash
# variants: root user hybrid
#
# What a receipt says to be in force is what stands in the kernel's files.

# shellcheck source=tests/lab/lib.sh
. "$LAB_TESTS/lib.sh"
trap kill_jobs EXIT

ffrtmp run --job-id all --cpu-max "30000 120000" --cpu-weight 250 --memory-max 96M --memory-high 64M \
    --swap-max 8M --pids-max 33 --nice 3 --ionice best-effort:6 --oom-score-adj 300 -d --json -- sleep 100 2>all.err >started.json
ffrtmp status --json all >all.json
assert_eq "$(jq -cS .receipt.limits all.json)" "$(jq -cS .receipt.limits started.json)" "receipt at the start and later"
pid=$(job_pid all)
wait_for 10 grep -q sleep "/proc/$pid/comm"

# same CONTROLLER FILE LIMIT
same() {
    assert_eq "$(cat "$(job_dir all "$1")/$2")" "$(row all.json "$3" .in_force.raw)" "$3"
    assert_eq enforced "$(row all.json "$3" .strength)" "$3"
    grep -qF "$2" <<<"$(row all.json "$3" .mechanism)" || fail "$3 is said to be by $(row all.json "$3" .mechanism)"
}
case $LAB_VARIANT in
    hybrid)
        same memory memory.limit_in_bytes memory.max
        same pids pids.max pids.max
        cpu=$(job_dir all cpu)
        assert_eq "30000 120000" "$(cat "$cpu/cpu.cfs_quota_us") $(cat "$cpu/cpu.cfs_period_us")"
        assert_eq "30000 120000" "$(row all.json cpu.max .in_force.raw)" ;;
    *)
        same memory memory.max memory.max
        same memory memory.high memory.high
        same memory memory.swap.max memory.swap.max
        same pids pids.max pids.max
        same cpu cpu.weight cpu.weight
        same cpu cpu.max cpu.max
        # Those which are not asked for are left alone.
        assert_eq max "$(tr -d '\n' <"$(job_dir all)/cgroup.max.depth")" ;;
esac
assert_eq 3 "$(ps -o ni= -p "$pid" | tr -d ' ')" nice
assert_eq "best-effort: prio 6" "$(ionice -p "$pid")"
assert_eq 300 "$(cat "/proc/$pid/oom_score_adj")"
for limit in nice ionice oom_score_adj; do
    assert_eq enforced "$(row all.json "$limit" .strength)" "$limit"
done
# Every limit of the JSON has its line in the table.
while read -r limit; do
    grep -q "^[ ~!] $limit " all.err || fail "no line for $limit: $(cat all.err)"
done < <(jq -r '.receipt.limits[].limit' all.json)
