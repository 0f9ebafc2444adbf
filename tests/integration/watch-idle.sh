# shellcheck shell=bash disable=SC2015,SC2016,SC2154
# timeout: 180
# alone
# Idle means idle: a watcher of many jobs wakes up for nothing but programs that start; where it is not told of those, for nothing.
# shellcheck source=tests/integration/lib.sh
. "$TESTS/lib.sh"
# shellcheck source=tests/integration/watch.bash
. "$TESTS/watch.bash"
[ "$(id -u)" = 0 ] || skip "needs root"
target=$(make_target)
jobs=${WATCH_IDLE_JOBS:-30} seconds=${WATCH_IDLE_SECONDS:-10}
pids=()
for ((i = 0; i < jobs; i++)); do ./"$target" 1000 & pids+=($!); done
for pid in "${pids[@]}"; do wait_for 20 runs_as "$pid" "$target"; done
switches() { awk '/^voluntary/ { print $2 }' "/proc/$watch/status"; }
all() { [ "$(grep -c ^adopted watch.out)" = "$jobs" ] || grep -q "jobs that go on" watch.err; }
calm() { local before; before=$(switches); sleep 0.7; [ "$before" = "$(switches)" ]; }

# In a network namespace of its own the kernel tells it nothing.
if unshare -n true 2>/dev/null; then
    unshare -n ffrtmp watch --target "$target" --nice 6 --scan-interval 1h >watch.out 2>watch.err & watch=$!
    wait_for 60 all
    wait_for 20 calm
    before=$(switches)
    sleep "$seconds"
    assert_eq "$before" "$(switches)" "wake-ups in $seconds s with $jobs jobs"
    echo "without the proc connector: 0 wake-ups in $seconds s with $jobs jobs, $(grep Rss: "/proc/$watch/smaps_rollup")"
    kill $watch
    wait $watch
fi
# With the connector: not more often than programs start on this host.
ffrtmp watch --target "$target" --nice 6 >watch.out 2>watch.err & watch=$!
wait_for 60 all
! grep -q "no news" watch.err || skip "no proc connector here"
sleep 2
python3 "$TESTS/watch-execs.py" execs & counter=$!
wait_for 20 test -s execs
before=$(switches)
sleep "$seconds"
after=$(switches)
kill -INT $counter
wait $counter || true
execs=$(tail -n 1 execs)
echo "with it: $((after - before)) wake-ups in $seconds s with $jobs jobs, while $execs programs started; $(grep Rss: "/proc/$watch/smaps_rollup")"
[ $((after - before)) -le "$execs" ] || fail "$((after - before)) wake-ups while $execs programs started"
assert_eq 1 "$(find "/proc/$watch/task" -mindepth 1 -maxdepth 1 | wc -l)" threads
rss=$(awk '/^Rss:/ { print $2 }' "/proc/$watch/smaps_rollup")
[ "$rss" -le $((4096 + jobs * 64)) ] || fail "RSS of $rss KB"
kill $watch
wait $watch
kill "${pids[@]}"
