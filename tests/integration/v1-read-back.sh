# shellcheck shell=bash disable=SC2015,SC2016,SC2154
# Every limit of the receipt is what the kernel's own file says, and nothing else was written.
# shellcheck source=tests/integration/lib.sh
. "$TESTS/lib.sh"
need_v1 cpu memory pids cpuset
expect 0 ffrtmp run -q -d --job-id "$TAG" --cpu-max '30000 60000' --cpu-weight 1000 --memory-max 200M --memory-high 100M --pids-max 77 --cpuset 0 -- sleep 30
pid=$(pid_of "$TAG")
assert_eq 30000 "$(cat "$(cgroup_dir "$pid" cpu)/cpu.cfs_quota_us")"
assert_eq 60000 "$(cat "$(cgroup_dir "$pid" cpu)/cpu.cfs_period_us")"
assert_eq 10240 "$(cat "$(cgroup_dir "$pid" cpu)/cpu.shares")"
assert_eq 209715200 "$(cat "$(cgroup_dir "$pid" memory)/memory.limit_in_bytes")"
assert_eq 77 "$(cat "$(cgroup_dir "$pid" pids)/pids.max")"
ffrtmp status --json "$TAG" >status.json
json status.json '[.receipt.limits[] | select(.limit == "cpu.max" or .limit == "cpu.weight" or .limit == "memory.max" or .limit == "pids.max" or .limit == "cpuset.cpus") | .strength] == ["enforced", "enforced", "enforced", "enforced", "enforced"]' >/dev/null
json status.json '[.receipt.limits[] | select(.strength != "enforced") | .why] | all(length > 0)' >/dev/null
# The base above the leaf holds no limit of ours.
assert_eq -1 "$(cat "$(dirname "$(cgroup_dir "$pid" cpu)")/cpu.cfs_quota_us")"
assert_eq "$(cat "$(v1_mount memory)/memory.limit_in_bytes")" "$(cat "$(dirname "$(cgroup_dir "$pid" memory)")/memory.limit_in_bytes")"
ffrtmp stop "$TAG"
ffrtmp wait "$TAG" || true
wait_for 5 no_leaves
