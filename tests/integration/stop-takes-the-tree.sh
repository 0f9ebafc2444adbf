# shellcheck shell=bash disable=SC2015,SC2016,SC2154
# stop of a shell with children and grandchildren ends all of them, those in sessions of their own included.
# shellcheck source=tests/integration/lib.sh
. "$TESTS/lib.sh"
[ "$(id -u)" = 0 ] || skip "needs cgroups"
# shellcheck disable=SC2016
expect 0 ffrtmp run -q -d --job-id "$TAG" -- sh -c 'sleep 300 & echo $! >a; setsid sh -c "sleep 300 & echo \$! >b; wait" & sh -c "trap \"\" INT TERM; sleep 300 & echo \$! >c; wait" & wait'
wait_for 5 test -s c
wait_for 5 test -s b
expect 0 ffrtmp stop --grace 1s "$TAG"
for name in a b c; do gone "$(cat $name)" || fail "$name still runs: $(tr '\0' ' ' <"/proc/$(cat $name)/cmdline")"; done
ffrtmp wait "$TAG" || true
wait_for 5 no_leaves
# A daemon that outlived the main process is told of, and stop ends it.
expect 0 ffrtmp run -d --job-id "$TAG-l" -- sh -c 'setsid sleep 300 & echo $! >d; sleep 0.3'
code=0
ffrtmp wait "$TAG-l" || code=$?
assert_eq 0 $code
result "$TAG-l" '.processes_left == 1' >/dev/null
runs "$(cat d)" || fail "the daemon was ended by us"
expect 0 ffrtmp stop "$TAG-l"
wait_for 5 gone "$(cat d)"
sweep
no_leaves || fail "left $(leaves)"
