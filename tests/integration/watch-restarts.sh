# shellcheck shell=bash disable=SC2015,SC2016,SC2154
# timeout: 180
# Whatever ends the watcher, its jobs go on inside their limits, and the next one waits for them and writes their results.
# shellcheck source=tests/integration/lib.sh
. "$TESTS/lib.sh"
# shellcheck source=tests/integration/watch.bash
. "$TESTS/watch.bash"
target=$(make_target)
count() { jobs_of_watch | wc -l; }
for signal in KILL TERM; do
    rm -f watch.out
    start_watch --target "$target" --nice 6 --min-age 10ms
    ./"$target" 1000 & goes_on=$!
    ./"$target" 1000 & ends=$!
    wait_for 20 limited $goes_on
    wait_for 20 limited $ends
    job=$(job_of $goes_on) gone=$(job_of $ends)
    stop_watch $signal
    [ $signal = KILL ] || assert_contains "$(cat watch.err)" "lets go of 2 jobs"
    runs $goes_on || fail "$signal of the watcher ended a job"
    assert_eq 6 "$(nices_of $goes_on)"
    assert_eq unobserved "$(ffrtmp status --json "$job" | jq -r .state)"
    kill $ends
    wait $ends 2>/dev/null || true
    ./"$target" 1000 & meanwhile=$!
    number=$(count)
    : >watch.err
    start_watch --target "$target" --nice 6 --min-age 10ms
    assert_contains "$(cat watch.err)" "1 jobs that go on, 1 that ended meanwhile"
    assert_eq running "$(ffrtmp status --json "$job" | jq -r .state)"
    ended "$gone" || fail "no result of what ended meanwhile"
    wait_for 20 limited $meanwhile
    assert_eq $((number + 1)) "$(count)" "jobs, of which none was adopted twice"
    later=$(job_of $meanwhile)
    kill $goes_on $meanwhile
    wait_for 20 ended "$job"
    wait_for 20 ended "$later"
    result "$job" '.receipt[0].limit == "nice"' >/dev/null
    stop_watch TERM
done
# What was detached is left alone by looks at all that runs and by the next watcher; after SIGHUP it has a rule again.
start_watch --target "$target" --nice 6 --scan-interval 200ms
./"$target" 1000 & pid=$!
wait_for 20 limited $pid
expect 0 ffrtmp detach "$(job_of $pid)"
sleep 1
assert_eq 0 "$(nices_of $pid)"
stop_watch TERM
start_watch --target "$target" --nice 6
! adopted $pid || fail "adopted what was detached"
assert_eq 0 "$(nices_of $pid)"
kill -HUP $watch
wait_for 20 watch_said READY=1 2
assert_eq 6 "$(nices_of $pid)"
stop_watch TERM
kill $pid
