# shellcheck shell=bash disable=SC2015,SC2016,SC2154
# A job whose wrapper was killed and which then ended: shown as lost, its cgroup removed by whoever comes next.
# shellcheck source=tests/integration/lib.sh
. "$TESTS/lib.sh"
ffrtmp run -q --job-id "$TAG" -- sleep 1.5 2>/dev/null &
wrapper=$!
wait_for 5 pid_of "$TAG" >pid 2>/dev/null
workload=$(tail -n 1 pid)
ffrtmp run -q -d --job-id "$TAG-other" -- sleep 60
kill -KILL $wrapper
wait $wrapper 2>/dev/null || true
assert_eq unobserved "$(ffrtmp status --json "$TAG" | jq -r .state)"
sweep
runs "$workload" || fail "the sweep ended a living job"
assert_eq unobserved "$(ffrtmp status --json "$TAG" | jq -r .state)" "after a sweep"
wait_for 10 gone "$workload"
assert_eq lost "$(ffrtmp status --json "$TAG" | jq -r .state)"
assert_contains "$(ffrtmp ps --all)" lost
sweep
assert_eq "" "$(leaves | grep -v other || true)" "cgroups after the sweep"
result "$TAG" '.outcome == "lost" and .exit_code == null' >/dev/null
expect 125 ffrtmp wait "$TAG"
[ "$(id -u)" != 0 ] || [ -n "$(leaves_of "$TAG-other")" ] || fail "the sweep took a living job's cgroup"
expect 0 ffrtmp stop "$TAG-other"
# Rubbish in the state folder stops nobody.
mkdir "state/jobs/$TAG-rubbish" "state/jobs/$TAG-empty" "state/jobs/.new-1-x"
echo '{' >"state/jobs/$TAG-rubbish/record.json"
head -c 1000 /dev/urandom >"state/jobs/.new-1-x/record.json"
expect 0 ffrtmp ps --all
expect 0 sweep
expect 0 ffrtmp run -q --job-id "$TAG-rubbish" -- true
expect 0 ffrtmp run -q --job-id "$TAG-empty" -- true
