# shellcheck shell=bash disable=SC2015,SC2016,SC2154
# attach waits for the end and tells the exit code where the kernel does; a signal lets go, and it can be taken up again.
# shellcheck source=tests/integration/lib.sh
. "$TESTS/lib.sh"
sh -c 'sleep 2; exit 7' &
pid=$!
code=0
ffrtmp attach --pid $pid --job-id "$TAG" --nice 5 --json >json 2>err || code=$?
if [ "$(jq -r .outcome json)" = exited ]; then
    assert_eq 7 $code "exit code"
    json json '.exit_code == 7 and .mode == "attach"' >/dev/null
else    # before 6.15
    assert_eq 125 $code "exit code"
    json json '.outcome == "lost" and .exit_code == null and (.reason | contains("exit status is unknown"))' >/dev/null
fi
result "$TAG" '.receipt[0].limit == "nice"' >/dev/null
no_leaves || fail "left $(leaves)"

sleep 100 &
pid=$!
before=$(settings_of $pid)
rm err    # the next one makes it when it is there
ffrtmp attach --pid $pid --job-id "$TAG-s" --nice 5 2>err &
watcher=$!
wait_for 10 test -s err
assert_eq running "$(ffrtmp status --json "$TAG-s" | jq -r .state)"
expect 125 ffrtmp attach --job-id "$TAG-s"
assert_contains "$err" "somebody waits"
kill -TERM $watcher
code=0
wait $watcher || code=$?
assert_eq 143 $code "a signal lets go"
assert_contains "$(cat err)" "goes on inside its limits (ffrtmp detach $TAG-s"
assert_eq 5 "$(nices_of $pid)" "its limits stay"
assert_eq unobserved "$(ffrtmp status --json "$TAG-s" | jq -r .state)"
# Taken up again; detach ends the watch.
ffrtmp attach --job-id "$TAG-s" 2>err &
watcher=$!
wait_for 10 sh -c "ffrtmp status --json $TAG-s | grep -q '\"running\"'"
expect 0 ffrtmp detach "$TAG-s"
wait_for 5 gone $watcher
wait $watcher
assert_eq "$before" "$(settings_of $pid)"
result "$TAG-s" '.outcome == "detached"' >/dev/null
assert_eq ended "$(ffrtmp status --json "$TAG-s" | jq -r .state)"
# kill -9 of the watcher changes nothing for the process; the next one may take it up.
rm err
ffrtmp attach --pid $pid --job-id "$TAG-k" --nice 5 2>err &
watcher=$!
wait_for 10 test -s err
kill -9 $watcher
wait $watcher 2>/dev/null || true
runs $pid || fail "it died with its watcher"
assert_eq 5 "$(nices_of $pid)"
ffrtmp attach --job-id "$TAG-k" --json >json 2>err &
watcher=$!
wait_for 10 sh -c "ffrtmp status --json $TAG-k | grep -q '\"running\"'"
kill $pid
code=0
wait $watcher || code=$?
[ $code = 143 ] || [ $code = 125 ] || fail "exit code $code"
# Several at once.
sh -c 'sleep 1; exit 3' & one=$!
sh -c 'sleep 1' & two=$!
code=0
ffrtmp attach --pid $one --pid $two --nice 4 --json >json 2>err || code=$?
[ $code = 3 ] || [ $code = 125 ] || fail "exit code $code"
assert_eq 2 "$(jq -s length json)" "results"
