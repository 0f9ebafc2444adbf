# shellcheck shell=bash disable=SC2015,SC2016,SC2154
# What others have changed since is not overwritten: detach shows both values and does nothing, until --force.
# shellcheck source=tests/integration/lib.sh
. "$TESTS/lib.sh"
need_v1 cpu
sleep 100 &
pid=$!
before=$(settings_of $pid)
expect 0 ffrtmp attach --pid $pid --job-id "$TAG" --once --cpu-max 80% --nice 5 --oom-score-adj 10
renice -n 9 -p $pid >/dev/null
echo 30000 >"$(cgroup_dir $pid cpu)/cpu.cfs_quota_us"
now=$(settings_of $pid)
expect 125 ffrtmp detach "$TAG"
assert_eq 1 "$(wc -l <"$TMP/.err")" "lines: $err"
assert_contains "$err" "nice of thread $pid is 9 (ffrtmp had set 5, before it was 0)"
assert_contains "$err" "is 30000 (ffrtmp had set 80000"
assert_contains "$err" "--force"
assert_eq "$now" "$(settings_of $pid)" "a refused detach changed something"
[ "$(ffrtmp status --json "$TAG" | jq -r .state)" = unobserved ] || fail "it is no longer a job"
expect 0 ffrtmp detach --force "$TAG"
assert_eq "$before" "$(settings_of $pid)"
# What somebody has put back already is no conflict.
expect 0 ffrtmp attach --pid $pid --job-id "$TAG" --once --nice 5
renice -n 0 -p $pid >/dev/null
expect 0 ffrtmp detach "$TAG"
assert_eq "$before" "$(settings_of $pid)"
# A process that somebody has moved away.
expect 0 ffrtmp attach --pid $pid --job-id "$TAG" --once --cpu-max 80%
echo $pid >"$(v1_mount cpu)/cgroup.procs"
expect 0 ffrtmp detach "$TAG"
mkdir -p "$(v1_mount cpu)/ffrtmp-$TAG-other"
expect 0 ffrtmp attach --pid $pid --job-id "$TAG" --once --cpu-max 80%
echo $pid >"$(v1_mount cpu)/ffrtmp-$TAG-other/cgroup.procs"
expect 125 ffrtmp detach "$TAG"
assert_contains "$err" "the cgroup of process $pid is /ffrtmp-$TAG-other"
expect 0 ffrtmp detach --force "$TAG"
assert_contains "$(grep :cpu: /proc/$pid/cgroup)" "ffrtmp-$TAG-other" "what is not in our leaf is left where it is"
echo $pid >"$(v1_mount cpu)/cgroup.procs"
rmdir "$(v1_mount cpu)/ffrtmp-$TAG-other"
kill $pid
