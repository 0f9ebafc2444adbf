# shellcheck shell=bash disable=SC2015,SC2016,SC2154
# alone
# cpu.cfs_quota_us: what the kernel holds is what the receipt says, and usage by cpuacct stays at the quota.
# shellcheck source=tests/integration/lib.sh
. "$TESTS/lib.sh"
need_v1 cpu cpuacct
expect 0 ffrtmp run -q -d --cpu-max 40% --job-id "$TAG" -- sh -c 'while :; do :; done'
pid=$(pid_of "$TAG")
cpu=$(cgroup_dir "$pid" cpu) account=$(cgroup_dir "$pid" cpuacct)/cpuacct.usage
assert_eq 40000 "$(cat "$cpu/cpu.cfs_quota_us")"
assert_eq 100000 "$(cat "$cpu/cpu.cfs_period_us")"
sleep 0.5
before=$(cat "$account") begin=$(date +%s%N)
sleep 4
after=$(cat "$account") end=$(date +%s%N)
share=$(awk -v u=$((after - before)) -v t=$((end - begin)) 'BEGIN { print u / t }')
# On a busy host it may get less than the quota, never more.
if awk '/nr_periods/ { p = $2 } /nr_throttled/ { t = $2 } END { exit !(t > p * 0.9) }' "$cpu/cpu.stat"; then
    assert_near 0.40 "$share" 10 "share of a CPU"
else
    awk -v s="$share" 'BEGIN { exit !(s <= 0.44) }' || fail "share of a CPU: $share of 0.40"
fi
throttled=$(awk '/nr_throttled/ { print $2 }' "$cpu/cpu.stat")
expect 0 ffrtmp stop --grace 1s "$TAG"
ffrtmp wait "$TAG" || true
result "$TAG" ".usage.throttled_periods >= $throttled and .usage.cpu_user_s + .usage.cpu_system_s > 0" >/dev/null
result "$TAG" '.receipt[0].limit == "cpu.max" and .receipt[0].strength == "enforced"' >/dev/null
wait_for 5 no_leaves
