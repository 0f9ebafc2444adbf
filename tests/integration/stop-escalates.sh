# shellcheck shell=bash disable=SC2015,SC2016,SC2154
# A workload that ignores SIGINT gets SIGTERM, one that ignores both gets the end, each after the grace.
# shellcheck source=tests/integration/lib.sh
. "$TESTS/lib.sh"
expect 0 ffrtmp run -q -d --job-id "$TAG-t" -- sh -c 'trap "" INT; touch t; while :; do sleep 0.1; done'
expect 0 ffrtmp run -q -d --job-id "$TAG-k" -- sh -c 'trap "" INT TERM; touch k; while :; do sleep 0.1; done'
wait_for 5 test -e t
wait_for 5 test -e k
expect 0 ffrtmp stop --grace 500ms "$TAG-t"
assert_contains "$err" SIGTERM
expect 143 ffrtmp wait "$TAG-t"
expect 0 ffrtmp stop --grace 500ms "$TAG-k"
assert_contains "$err" SIGKILL
expect 137 ffrtmp wait "$TAG-k"
result "$TAG-k" '.killer == "operator" and .signal == 9 and .outcome == "signaled"' >/dev/null
# --placement none has no cgroup to lean on.
expect 0 ffrtmp run -q -d --placement none --job-id "$TAG-n" -- sh -c 'trap "" INT TERM; touch n; while :; do sleep 0.1; done'
wait_for 5 test -e n
expect 0 ffrtmp stop --grace 500ms "$TAG-n"
expect 137 ffrtmp wait "$TAG-n"
wait_for 5 no_leaves
