# shellcheck shell=bash disable=SC2015,SC2016,SC2154
# stop of a job that has no cgroup ends its children as well, and in no more time.
# shellcheck source=tests/integration/lib.sh
. "$TESTS/lib.sh"
expect 0 ffrtmp run -q -d --placement none --job-id "$TAG" -- sh -c 'sleep 300 & echo $! >a; sh -c "sleep 300; :" & sleep 300; :'
wait_for 5 test -s a
begin=$SECONDS
expect 0 ffrtmp stop --grace 3s "$TAG"
[ $((SECONDS - begin)) -lt 9 ] || fail "took $((SECONDS - begin)) s"
wait_for 2 gone "$(cat a)"
left=$(pgrep -f "sleep 300" | while read -r pid; do grep -qsazF "FFRTMP_TEST_TAG=$TAG" "/proc/$pid/environ" && echo "$pid"; done || true)
assert_eq "" "$left" "still running"
