# shellcheck shell=bash disable=SC2015,SC2016,SC2154
# A process that is alone in cgroups that we may write is limited there: nothing moves, and the old values come back.
# shellcheck source=tests/integration/lib.sh
. "$TESTS/lib.sh"
need_v1 cpu memory
cpu=$(v1_mount cpu)/ffrtmp-$TAG memory=$(v1_mount memory)/ffrtmp-$TAG
mkdir "$cpu" "$memory"
echo 70000 >"$cpu/cpu.cfs_quota_us"
sleep 100 &
pid=$!
echo $pid >"$cpu/cgroup.procs"
echo $pid >"$memory/cgroup.procs"
cgroups=$(cat /proc/$pid/cgroup)
expect 0 ffrtmp attach --pid $pid --plan --cpu-max 40% --memory-max 200M
assert_contains "$out" "limited where it stands"
expect 0 ffrtmp attach --pid $pid --job-id "$TAG" --once --cpu-max 40% --memory-max 200M
assert_eq "$cgroups" "$(cat /proc/$pid/cgroup)" "it was moved"
assert_eq 40000 "$(cat "$cpu/cpu.cfs_quota_us")"
assert_eq $((200 << 20)) "$(cat "$memory/memory.limit_in_bytes")"
expect 0 ffrtmp set "$TAG" --cpu-max 30%
assert_eq 30000 "$(cat "$cpu/cpu.cfs_quota_us")"
expect 0 ffrtmp detach "$TAG"
assert_eq 70000 "$(cat "$cpu/cpu.cfs_quota_us")" "the quota that was there"
assert_eq 9223372036854771712 "$(cat "$memory/memory.limit_in_bytes")"
# A cgroup that is not ours stays after its process, and stop ends only what is in it.
expect 0 ffrtmp attach --pid $pid --job-id "$TAG" --once --cpu-max 40% --memory-max 200M
expect 0 ffrtmp stop --grace 1s "$TAG"
wait_for 5 gone $pid
sweep
[ -d "$cpu" ] || fail "removed a cgroup that it had not made"
assert_eq 70000 "$(cat "$cpu/cpu.cfs_quota_us")" "after the end the quota is back"
# With a stranger in it the process is moved, and what held it there holds it in its new place as well.
sleep 100 & one=$!
sleep 100 & two=$!
for each in $one $two; do echo $each >"$cpu/cgroup.procs"; done
expect 0 ffrtmp attach --pid $one --job-id "$TAG" --once --json --pids-max 50 --cpu-weight 50
assert_contains "$(cgroup_dir $one cpu)" "/ffrtmp/$TAG"
assert_eq 70000 "$(cat "$(cgroup_dir $one cpu)/cpu.cfs_quota_us")" "the quota was carried over"
jq -e '.receipt.limits[] | select(.limit == "cpu.max") | .why | contains("carried over")' .out >/dev/null || fail "the receipt does not say so"
expect 0 ffrtmp detach "$TAG"
assert_eq "/ffrtmp-$TAG" "$(awk -F: '$2 == "cpu" { print $3 }' /proc/$one/cgroup)" "back in its cgroup"
kill $one $two
for each in "$cpu" "$memory"; do wait_for 5 rmdir "$each"; done
