# shellcheck shell=bash disable=SC2015,SC2016,SC2154
# --exec sets everything up and then becomes the workload: the same PID, no wrapper, limits in force.
# shellcheck source=tests/integration/lib.sh
. "$TESTS/lib.sh"
# shellcheck disable=SC2016
ffrtmp run -q --exec --pids-max 20 --nice 5 --job-id "$TAG" -- sh -c 'echo $$ >pid; cat /proc/self/cgroup >cgroup; nice >nice; exec sleep 60' &
started=$!
wait_for 5 test -s nice
sleep 0.1
assert_eq $started "$(cat pid)" "PID"
assert_eq sleep "$(cat "/proc/$started/comm")"
assert_eq "" "$(cat "/proc/$started/task/$started/children")" "children"
assert_eq "$$" "$(awk '{ print $4 }' "/proc/$started/stat")" "its parent"
assert_eq 5 "$(cat nice)"
[ "$(id -u)" != 0 ] || [ -n "$(leaves)" ] || fail "no cgroup"
assert_eq "$started" "$(pid_of "$TAG")"
assert_eq unobserved "$(ffrtmp status --json "$TAG" | jq -r .state)"
expect 0 ffrtmp run --exec --json -q -- true
json .out '.schema == 1 and .job_id and .identity.pid and .receipt' >/dev/null
kill $started
wait $started 2>/dev/null || assert_eq 143 $?
code=0
ffrtmp wait "$TAG" 2>err || code=$?
[ $code = 125 ] || [ $code = 143 ] || fail "wait said $code: $(cat err)"
sweep
no_leaves || fail "left $(leaves)"
