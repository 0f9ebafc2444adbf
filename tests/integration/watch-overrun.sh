# shellcheck shell=bash disable=SC2015,SC2016,SC2154
# timeout: 240
# alone
# More programs start than the kernel keeps news of: watch says so, looks at all that runs, and has missed nobody.
# shellcheck source=tests/integration/lib.sh
. "$TESTS/lib.sh"
# shellcheck source=tests/integration/watch.bash
. "$TESTS/watch.bash"
[ "$(id -u)" = 0 ] || skip "needs root"
target=$(make_target)
start_watch --target "$target" --nice 6
! grep -q "no news" watch.err || skip "no proc connector here"
kill -STOP $watch
seq 6000 | xargs -n 1 true
./"$target" 1000 & pid=$!
seq 10 | xargs -n 1 true
kill -CONT $watch
wait_for 60 limited $pid
wait_for 20 grep -q "more programs started than could be told" watch.err
assert_eq 6 "$(nices_of $pid)"
# And it goes on being told.
./"$target" 1001 & later=$!
wait_for 20 limited $later
stop_watch
kill $pid $later
