# shellcheck shell=bash disable=SC2015,SC2016,SC2154
# --forward-signals, for a container's entry point: signals reach the workload and the code is the workload's.
# shellcheck source=tests/integration/lib.sh
. "$TESTS/lib.sh"
ffrtmp run -q --forward-signals --job-id "$TAG" -- bash -c 'for s in HUP USR1 USR2 QUIT; do trap "echo $s >>seen" $s; done; trap "echo TERM >>seen; exit 42" TERM; touch ready; while :; do sleep 0.05; done' &
wrapper=$!
wait_for 5 test -e ready
for signal in HUP USR1 USR2 QUIT; do
    kill -$signal $wrapper
    wait_for 5 grep -qs $signal seen
done
kill -TERM $wrapper
code=0
wait $wrapper || code=$?
assert_eq 42 $code
assert_eq "HUP USR1 USR2 QUIT TERM" "$(xargs <seen)"
no_leaves || fail "left $(leaves)"
