# shellcheck shell=bash disable=SC2015,SC2016,SC2154
# The recorder is killed while somebody waits: wait still comes back when the workload ends, and makes nothing up.
# shellcheck source=tests/integration/lib.sh
. "$TESTS/lib.sh"
expect 0 ffrtmp run -q -d --job-id "$TAG" -- sh -c 'sleep 2; exit 7'
timeout 30 ffrtmp wait "$TAG" 2>waited &
waiter=$!
sleep 0.5
kill -KILL "$(ffrtmp status --json "$TAG" | jq -e .observer.pid)"
code=0
wait $waiter || code=$?
# Kernel 6.15 and later tell the code to whoever held the pidfd.
[ $code = 7 ] || [ $code = 125 ] || fail "wait said $code: $(cat waited)"
[ $code = 125 ] || result "$TAG" '.exit_code == 7' >/dev/null
# Killed outright with the workload still there, and the workload killed too: somebody who comes later is told that nobody saw it.
expect 0 ffrtmp run -q -d --job-id "$TAG-2" -- sleep 60
workload=$(pid_of "$TAG-2")
kill -KILL "$(ffrtmp status --json "$TAG-2" | jq -e .observer.pid)" "$workload"
wait_for 5 gone "$workload"
expect 125 timeout 10 ffrtmp wait "$TAG-2"
assert_contains "$err" "nobody saw"
